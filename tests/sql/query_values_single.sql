-- VALUES with one column.
VALUES 1, 2, 3;
