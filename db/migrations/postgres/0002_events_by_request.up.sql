-- An operator who was told a request id finds its events without reading the
-- whole trail. It only adds something, so every older binary is served.
CREATE INDEX audit_events_by_request ON audit_events (request_id, at, id) WHERE request_id IS NOT NULL;

INSERT INTO schema_compat (version, oldest_binary) VALUES (2, 1);
