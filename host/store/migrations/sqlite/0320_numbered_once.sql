-- The same step as migrations/postgres/0320_numbered_once.sql. Here is one writer at a time, and each row has a number of its
-- own; what is too old goes row by row.
SELECT 1;
