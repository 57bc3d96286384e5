package postgres

// DrawFrom has the store draw status indexes in another way.
func (s *Store) DrawFrom(draw func(highest int64) []int64) { s.draw = draw }
