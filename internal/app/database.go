package app

// watchDatabase shows whether the database that this replica reaches takes writes. It tells nothing where that can't
// be lost.
func (a *App) watchDatabase() {
	if a.trouble == nil {
		return
	}
	a.metrics.Gauge("mintmark_database_writable", "1 while the database that this replica reaches takes writes; at 0, logins, refreshes and logouts get 503.",
		func() float64 {
			if a.trouble() != nil {
				return 0
			}
			return 1
		})
}

// databaseNotes tells operators why this replica can't change anything.
func (a *App) databaseNotes() []string {
	if a.trouble == nil || a.trouble() == nil {
		return nil
	}
	return []string{a.trouble().Error() + "; logins, refreshes and logouts get 503 until that is over"}
}
