SELECT a.device FROM readings AS a LEFT JOIN readings AS b ON a.device = b.device AND b.ts > a.ts
