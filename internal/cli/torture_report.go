package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mintmark-auth/mintmark/internal/torture"
)

// caseAnswer is a case as programs read it.
type caseAnswer struct {
	ID       string          `json:"id"`
	Group    string          `json:"group"`
	Name     string          `json:"name"`
	Source   string          `json:"source"`
	Must     torture.Must    `json:"must"`
	Needs    string          `json:"needs,omitempty"`
	Verdict  torture.Verdict `json:"verdict,omitempty"`
	Why      string          `json:"why,omitempty"`
	Variants []variantAnswer `json:"variants,omitempty"`
}

type variantAnswer struct {
	Sent    string          `json:"sent"`
	Got     string          `json:"got"`
	Verdict torture.Verdict `json:"verdict"`
	Remark  string          `json:"remark,omitempty"`
}

type tortureAnswer struct {
	URL      string                  `json:"url"`
	Issuer   string                  `json:"issuer"`
	Audience string                  `json:"audience,omitempty"`
	OK       bool                    `json:"ok"`
	Stopped  string                  `json:"stopped,omitempty"`
	Requests int                     `json:"requests"`
	Counts   map[torture.Verdict]int `json:"counts"`
	Cases    []caseAnswer            `json:"cases"`
}

func answerOf(c torture.Case) caseAnswer {
	return caseAnswer{ID: c.ID, Group: c.Group, Name: c.Name, Source: c.Source, Must: c.Must, Needs: c.Needs.String()}
}

// answerCatalogue lists what there is to play.
func (s *shell) answerCatalogue() error {
	var all []caseAnswer
	t := table{head: []string{"ID", "GROUP", "MUST", "WHAT IS SENT", "SOURCE", "NEEDS"}}
	for _, c := range torture.Catalogue() {
		all = append(all, answerOf(c))
		t.rows = append(t.rows, []string{c.ID, c.Group, string(c.Must), c.Name, c.Source, c.Needs.String()})
	}
	return s.answer(all, t)
}

// answerTorture prints what came of a run.
func (s *shell) answerTorture(r *torture.Report) error {
	if s.output == formatJSON {
		return s.answerJSON(reportJSON(r))
	}
	s.printCases(r)
	s.printRemarks(r)
	if r.Stopped != "" {
		s.say("\nStopped early: %s.\n", r.Stopped)
	}
	_, err := fmt.Fprintf(s.stdout, "\n%d cases, %d requests: %s\n", len(r.Results), r.Requests, tally(r, false))
	return err
}

func reportJSON(r *torture.Report) tortureAnswer {
	answer := tortureAnswer{
		URL: r.URL, Issuer: r.Issuer, Audience: r.Audience, OK: !r.Failed(), Stopped: r.Stopped, Requests: r.Requests,
		Counts: map[torture.Verdict]int{}, Cases: []caseAnswer{},
	}
	for _, v := range torture.Verdicts() {
		answer.Counts[v] = r.Count(v)
	}
	for _, one := range r.Results {
		c := answerOf(one.Case)
		c.Verdict, c.Why = one.Verdict, one.Why
		for _, o := range one.Outcomes {
			c.Variants = append(c.Variants, variantAnswer{Sent: o.Sent, Got: o.Got, Verdict: o.Verdict, Remark: o.Remark})
		}
		answer.Cases = append(answer.Cases, c)
	}
	return answer
}

// printCases goes through the cases by group: a line for one that passed, the variants of one that did not.
func (s *shell) printCases(r *torture.Report) {
	ink, group := s.ink(), ""
	s.say("%s\n", ink.bold("Torture of "+r.URL))
	for _, one := range r.Results {
		if one.Case.Group != group {
			group = one.Case.Group
			s.say("\n%s\n", ink.bold(group))
		}
		switch one.Verdict {
		case torture.Passed:
			s.say("  %s %-21s %s %s\n", ink.green("✓"), one.Case.ID, one.Case.Name, ink.faint("("+answers(one)+")"))
		case torture.NotTried:
			s.say("  %s %-21s %s\n", ink.faint("–"), one.Case.ID, ink.faint(one.Case.Name+": not tried, "+one.Why))
		default:
			s.say("  %s %-21s %s: %s (%s)\n", ink.red("✗"), one.Case.ID, one.Case.Name, ink.red(string(one.Verdict)), one.Case.Source)
			for _, o := range one.Outcomes {
				if o.Verdict.Failed() {
					s.say("      %s → %s, %s\n", o.Sent, o.Got, o.Verdict)
				}
			}
		}
	}
}

// answers sums up what came back for the variants of a case.
func answers(one torture.Result) string {
	var got []string
	for _, o := range one.Outcomes {
		status, _, _ := strings.Cut(o.Got, " ")
		if status == "the" {
			status = o.Got
		}
		if !slices.Contains(got, status) {
			got = append(got, status)
		}
	}
	text := strings.Join(got, ", ")
	if n := len(one.Outcomes); n > 1 {
		return fmt.Sprintf("%d variants: %s", n, text)
	}
	return text
}

// printRemarks prints each remark once.
func (s *shell) printRemarks(r *torture.Report) {
	var order []string
	cases := map[string][]string{}
	for _, one := range r.Results {
		for _, o := range one.Outcomes {
			switch ids := cases[o.Remark]; {
			case o.Remark == "":
			case ids == nil:
				order = append(order, o.Remark)
				fallthrough
			case !slices.Contains(ids, one.Case.ID):
				cases[o.Remark] = append(ids, one.Case.ID)
			}
		}
	}
	if len(order) == 0 {
		return
	}
	s.say("\n%s\n", s.ink().bold("Remarks, which are no failures"))
	for _, remark := range order {
		ids := cases[remark]
		where := ids[0]
		if more := len(ids) - 1; more > 0 {
			where = fmt.Sprintf("%s and %d more", where, more)
		}
		s.say("  %s: %s\n", where, remark)
	}
}

// tally counts the verdicts that there are, or the failures alone.
func tally(r *torture.Report, failures bool) string {
	var counts []string
	for _, v := range torture.Verdicts() {
		if n := r.Count(v); n > 0 && (v.Failed() || !failures) {
			counts = append(counts, fmt.Sprintf("%d %s", n, v))
		}
	}
	return strings.Join(counts, ", ")
}
