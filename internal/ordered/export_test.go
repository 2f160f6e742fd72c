package ordered

// Leaves returns how many leaves there are.
func (m Map[K, V]) Leaves() int { return len(m.leaves) }
