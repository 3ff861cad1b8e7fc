package scenes

import (
	"fmt"

	configv1 "proscenium/gen/proscenium/config/v1"

	"proscenium/scenes/diag"
	"proscenium/scenes/source"
)

// sharesInAll is what the shares of an experiment sum to: all of its units, in 1e-5.
const sharesInAll = 100_000

func (l *linker) experimentReferences() {
	for i, e := range l.bundle.GetExperiments() {
		at := l.root.Field("experiments").Index(i)
		for j, name := range e.GetScenes() {
			here := at.Field("scenes").Index(j)
			if s, ok := l.find(l.scenes, name, here); ok && !l.takesPart(s, e.GetName()) {
				d := here.Error(diag.ExperimentMismatch, fmt.Sprintf("scene %s does not name experiment %s", name, e.GetName()),
					fmt.Sprintf("write ab_test: %s into the scene, or take it out here; a scene takes part in one experiment at most", e.GetName()))
				d.Related = []diag.Related{l.root.Field("scenes").Index(s).Field("ab_test").Span().Related("the scene")}
				l.report(d)
			}
		}
		l.groups(e, at.Field("groups"))
	}
}

// takesPart says whether a scene names the experiment, or, by a fault of its own, may mean to.
func (l *linker) takesPart(scene int, experiment string) bool {
	named := l.bundle.GetScenes()[scene].GetAbTest()
	if named == experiment || experiment == "" || l.root.Field("scenes").Index(scene).Field("ab_test").Bad() {
		return true
	}
	return l.experiments.means([]string{named}, experiment)
}

// groups checks that the groups of an experiment have names of their own, and hold all of its units.
func (l *linker) groups(e *configv1.Experiment, groups *source.Place) {
	sum, known := int64(0), !groups.Bad() && len(e.GetGroups()) > 0
	seen := map[string]*source.Place{}
	for i, g := range e.GetGroups() {
		at := groups.Index(i)
		sum += int64(g.GetShare())
		known = known && !at.Field("share").Bad()
		l.scenario(g.GetFeatures().GetScenario(), at.Field("features").Field("scenario"))
		if first := seen[g.GetName()]; first != nil {
			l.twice(diag.DuplicateName, fmt.Sprintf("group %s stands twice in experiment %s", g.GetName(), e.GetName()), "give one of them another name", at.Field("name"), first)
		} else if g.GetName() != "" {
			seen[g.GetName()] = at.Field("name")
		}
	}
	if known && sum != sharesInAll {
		l.report(groups.Error(diag.ExperimentShares, fmt.Sprintf("the shares of experiment %s sum to %d", e.GetName(), sum),
			fmt.Sprintf("make them sum to %d (100%%)", sharesInAll)))
	}
}
