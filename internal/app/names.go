package app

import "context"

// compareNames gives users the skeletons of their names, and warns of names that look alike
// whenever their number changes. Only the tick of that name calls it.
func (a *App) compareNames(ctx context.Context) error {
	alike, ended, err := a.names.Fill(ctx)
	if err != nil || !ended || alike == a.alike {
		return err
	}
	a.alike = alike
	if alike > 0 {
		a.log.Warn("names of users look like those of others; `mintmark users list --collisions` lists them", "users", alike)
	}
	return nil
}
