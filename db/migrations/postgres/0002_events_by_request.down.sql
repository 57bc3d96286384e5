DROP INDEX audit_events_by_request;

DELETE FROM schema_compat WHERE version = 2;
