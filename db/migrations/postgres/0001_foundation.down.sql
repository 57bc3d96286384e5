DROP TABLE audit_events;
DROP TABLE signing_keys;
DROP TABLE sessions;
DROP TABLE clients;
DROP TABLE users;
DROP TABLE schema_compat;
