package db_test

// postgresFacts are queries that together describe a Postgres schema, with one line per fact.
// NOT NULL is part of its column: Postgres 18 also lists it as a constraint.
var postgresFacts = []string{
	`SELECT 'schema ' || nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')`,

	`SELECT 'extension ' || extname FROM pg_extension WHERE extname <> 'plpgsql'`,

	`SELECT 'type ' || typname || ' of kind ' || typtype::text FROM pg_type
		WHERE typnamespace = current_schema()::regnamespace AND typtype IN ('d', 'e', 'r')`,

	`SELECT 'relation ' || relname || ' of kind ' || relkind::text || coalesce(' with ' || array_to_string(reloptions, ', '), '') FROM pg_class
		WHERE relnamespace = current_schema()::regnamespace AND relkind NOT IN ('i', 't')`,

	`SELECT 'column ' || relname || '.' || attname || ' ' || format_type(atttypid, atttypmod)
			|| CASE WHEN attcollation NOT IN (0, 'pg_catalog."default"'::regcollation) THEN ' collate ' || attcollation::regcollation::text ELSE '' END
			|| CASE WHEN attnotnull THEN ' not null' ELSE '' END
			|| coalesce(' default ' || pg_get_expr(adbin, adrelid), '') || attidentity::text || attgenerated::text
		FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
		WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped`,

	`SELECT 'constraint ' || conrelid::regclass::text || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
		WHERE connamespace = current_schema()::regnamespace AND contype <> 'n'`,

	`SELECT 'index ' || pg_get_indexdef(indexrelid) || CASE WHEN indisvalid THEN '' ELSE ' (not valid)' END
		FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE relnamespace = current_schema()::regnamespace`,

	`SELECT 'trigger ' || pg_get_triggerdef(pg_trigger.oid) || ' ' || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal`,

	`SELECT 'function ' || pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = current_schema()::regnamespace`,
}

// sqliteFacts are the statements that SQLite keeps of all it holds, as they were written.
var sqliteFacts = []string{
	`SELECT type || ' ' || name || ' on ' || tbl_name || ': ' || coalesce(sql, 'for a constraint') FROM sqlite_schema`,
}
