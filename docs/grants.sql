-- The rights of the three users, and no more, for MySQL 8.0, 8.4, 9 and MariaDB 10.6 or newer. An administrator runs it
-- in two parts: the first, then `python -m migrations` as stream_migration, then the second, which grants rights on the
-- tables that are there now. All of it may run again.
--
-- Replace the passwords. With MYSQL_SECRET_ID they are the secret's; with MYSQL_IAM, IDENTIFIED WITH
-- AWSAuthenticationPlugin AS 'RDS' takes the place of IDENTIFIED BY. Replace `bytecrunchers` where the schema has
-- another name.

-- Part 1. Migrations: only add tables, columns and indexes, and note the revision. No right to drop, none to change a
-- row. (MySQL asks for INSERT where ALTER TABLE has to copy a table.)
CREATE USER IF NOT EXISTS 'stream_migration'@'%' IDENTIFIED BY 'replace-me-migration' REQUIRE SSL;
GRANT CREATE, ALTER, INDEX, INSERT, SELECT ON bytecrunchers.* TO 'stream_migration'@'%';
GRANT CREATE, UPDATE ON bytecrunchers.bank_stream_revision TO 'stream_migration'@'%';

-- Part 2. The service and its operators.
CREATE USER IF NOT EXISTS 'stream'@'%' IDENTIFIED BY 'replace-me-stream' REQUIRE SSL;
CREATE USER IF NOT EXISTS 'stream_operator'@'%' IDENTIFIED BY 'replace-me-operator' REQUIRE SSL;

-- The service: reads what rules look at, changes balances and `active`, adds rows. It may delete nothing, and change
-- no row that it wrote, the notes on a mail aside. LOCK TABLES is what MySQL asks for SELECT … FOR UPDATE on `cards`,
-- which the service never changes.
GRANT LOCK TABLES ON bytecrunchers.* TO 'stream'@'%';
GRANT SELECT ON bytecrunchers.bank_stream_revision TO 'stream'@'%';
GRANT SELECT (id, email, first_name) ON bytecrunchers.users TO 'stream'@'%';
GRANT SELECT (accounts_id, card_num, pin, cvc1, cvc2, exp_date) ON bytecrunchers.cards TO 'stream'@'%';
GRANT SELECT, UPDATE (balance, active) ON bytecrunchers.accounts TO 'stream'@'%';
GRANT SELECT, UPDATE (balance) ON bytecrunchers.loans TO 'stream'@'%';
GRANT SELECT, INSERT ON bytecrunchers.transactions TO 'stream'@'%';
GRANT SELECT, INSERT ON bytecrunchers.card_transactions TO 'stream'@'%';
GRANT SELECT, INSERT ON bytecrunchers.loan_payments TO 'stream'@'%';
GRANT SELECT, INSERT ON bytecrunchers.stocks TO 'stream'@'%';
GRANT SELECT, INSERT, UPDATE ON bytecrunchers.fraud_alerts TO 'stream'@'%';
GRANT SELECT ON bytecrunchers.audits TO 'stream'@'%';

-- An operator: what the service may (`redrive` and `replay` apply messages as it does), the log of operations, the
-- notes of `audit`, and `scrub`, which empties three columns. `compare` needs SELECT on the other schema as well.
GRANT LOCK TABLES ON bytecrunchers.* TO 'stream_operator'@'%';
GRANT SELECT ON bytecrunchers.bank_stream_revision TO 'stream_operator'@'%';
GRANT SELECT (id, email, first_name) ON bytecrunchers.users TO 'stream_operator'@'%';
GRANT SELECT (accounts_id, card_num, pin, cvc1, cvc2, exp_date) ON bytecrunchers.cards TO 'stream_operator'@'%';
GRANT SELECT, UPDATE (balance, active) ON bytecrunchers.accounts TO 'stream_operator'@'%';
GRANT SELECT, UPDATE (balance) ON bytecrunchers.loans TO 'stream_operator'@'%';
GRANT SELECT, INSERT ON bytecrunchers.transactions TO 'stream_operator'@'%';
GRANT SELECT, INSERT, UPDATE (pin, cvc1, cvc2) ON bytecrunchers.card_transactions TO 'stream_operator'@'%';
GRANT SELECT, INSERT ON bytecrunchers.loan_payments TO 'stream_operator'@'%';
GRANT SELECT, INSERT ON bytecrunchers.stocks TO 'stream_operator'@'%';
GRANT SELECT, INSERT, UPDATE ON bytecrunchers.fraud_alerts TO 'stream_operator'@'%';
GRANT SELECT, INSERT, UPDATE ON bytecrunchers.operations_log TO 'stream_operator'@'%';
GRANT SELECT, INSERT ON bytecrunchers.audits TO 'stream_operator'@'%';
GRANT SELECT, INSERT, UPDATE ON bytecrunchers.audit_balances TO 'stream_operator'@'%';
GRANT SELECT, INSERT, UPDATE ON bytecrunchers.audit_loan_balances TO 'stream_operator'@'%';
