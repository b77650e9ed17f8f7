-- CSV fields of other forms than the columns' types: words that are not true, dates with one digit, blanks, too many digits.
CREATE TABLE mixed (
  id INT, ok BOOLEAN, d DATE, x DOUBLE, cost DECIMAL(5, 2), s STRING
) WITH ('connector' = 'filesystem', 'path' = 'data/mixed.csv', 'format' = 'csv', 'csv.null-literal' = '');
SELECT id, ok, d, x, cost, s FROM mixed;
