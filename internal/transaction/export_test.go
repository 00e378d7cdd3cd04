package transaction

// Parts is how many servers hold more than their end needs, and how many CANCELs
// are held.
func (t *Table) Parts() (running, cancels int) { return t.running.Used(), t.cancels.Used() }
