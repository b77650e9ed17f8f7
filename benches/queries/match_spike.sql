SELECT * FROM readings MATCH_RECOGNIZE (
  PARTITION BY device ORDER BY ts
  MEASURES spike.ts AS spike_at, spike.vib AS vib, rise.ts AS rise_at, rise.heat - spike.heat AS delta
  AFTER MATCH SKIP PAST LAST ROW
  PATTERN (spike other*? rise) WITHIN INTERVAL '10' SECOND
  DEFINE spike AS spike.vib > 9.9, rise AS rise.heat >= spike.heat + 5)
