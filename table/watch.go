package table

// Watch has f called after every commit that is made through this open table,
// from the goroutine of the committer, which waits for it: f must be quick and
// must not commit. The function it returns ends that.
func (t *Table) Watch(f func(CommitInfo)) (stop func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.watchers == nil {
		t.mu.watchers = map[*func(CommitInfo)]bool{}
	}
	t.mu.watchers[&f] = true
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.mu.watchers, &f)
	}
}

// tell tells of a commit.
func (t *Table) tell(info CommitInfo) {
	if f := t.opts.Events.Committed; f != nil {
		f(info)
	}
	t.mu.Lock()
	watchers := make([]func(CommitInfo), 0, len(t.mu.watchers))
	for f := range t.mu.watchers {
		watchers = append(watchers, *f)
	}
	t.mu.Unlock()
	for _, f := range watchers {
		f(info)
	}
}
