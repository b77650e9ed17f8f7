SELECT SUM(vib) OVER v AS a FROM readings WINDOW w AS (ORDER BY ts)
