-- VALUES alone: columns have Calcite's names.
VALUES (1, 'a', 1.5), (2, 'bcd', 2.25), (3, CAST(NULL AS STRING), 7);
