package keyring

// Spares is how many keys are drawn and wait to be used.
func (k *Keyring) Spares() int { return len(k.spare) }
