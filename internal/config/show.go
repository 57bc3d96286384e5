package config

// Row is one line of `config show`.
type Row struct {
	Variable string
	Value    string // three stars where it is secret, empty where there is none
	Source   string // a path, `environment`, `flag --x`, `data directory` or `default`
}

// Show gives every key with the value in effect and where it came from, in the
// order of the documentation. Secrets are masked.
func Show(c Config) []Row {
	table := keys()
	rows := make([]Row, 0, len(table))
	for _, k := range table {
		source, ok := c.sources[k.name]
		if !ok {
			source = "default"
		}
		rows = append(rows, Row{Variable: k.name, Value: k.show(c), Source: source})
	}
	return rows
}
