package postgres

// DrawFrom has the store draw status indexes in another way.
func (s *Store) DrawFrom(draw func(highest int64) []int64) { s.draw = draw }

// Renewed is how many times all connections were given up.
func (s *Store) Renewed() uint64 { return s.renewed.Load() }

// Places are how many connections there are or come to be, of as many as there may be.
func (s *Store) Places() (taken, all int32) {
	stat := s.pool.Stat()
	return stat.TotalConns(), stat.MaxConns()
}
