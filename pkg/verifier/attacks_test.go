package verifier_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// attackList is the list of attacks that are known for authorities like this one. It stands beside the checkout where the
// project is built.
const attackList = "../../../../shared/attacks.tsv"

// attacksOnVerifiers are the ids of that list that concern whoever verifies a token: kept here so that the tests are held
// against them everywhere. Those of another subject in the same areas are in attacksElsewhere.
func attacksOnVerifiers() []string {
	return strings.Fields(`
		CLM-01 CLM-02 CLM-03 CLM-04 CLM-06 CLM-07 CLM-08 CLM-09 CLM-12 CLM-13 CLM-15
		DPO-01 DPO-03 DPO-04
		JSN-01 JSN-04 JSN-05
		JWK-04 JWK-05 JWK-06 JWK-08 JWK-09
		JWS-01 JWS-02 JWS-03 JWS-05 JWS-07 JWS-08 JWS-09 JWS-10 JWS-11 JWS-12 JWS-14 JWS-15 JWS-16 JWS-18 JWS-19
		JWS-21 JWS-22 JWS-23 JWS-25 JWS-26 JWS-28 JWS-29 JWS-30`)
}

// attacksElsewhere are those on the authority: on its endpoints (CLM-10, JSN-06, DPO-05) and its keys (JWK).
func attacksElsewhere() []string {
	return strings.Fields(`CLM-10 DPO-05 JSN-06 JWK-01 JWK-02 JWK-03 JWK-10`)
}

// TestEveryAttackOnVerifiersIsNamedByATest looks into the tests of this package: a token or a test bears the id.
func TestEveryAttackOnVerifiersIsNamedByATest(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var named []string
	group := regexp.MustCompile(`\b(CLM|DPO|JSN|JWK|JWS)((?:[-/][0-9]{2})+)\b`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if file == "attacks_test.go" {
			continue
		}
		for _, match := range group.FindAllStringSubmatch(string(text), -1) { // such as JWS-01/02/05
			for number := range strings.SplitSeq(match[2][1:], "/") {
				named = append(named, match[1]+"-"+number)
			}
		}
	}
	for _, id := range attacksOnVerifiers() {
		if !slices.Contains(named, id) {
			t.Errorf("%s is named by no test", id)
		}
	}
}

func TestAttacksOnVerifiersAreThoseOfTheList(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(attackList)
	if errors.Is(err, fs.ErrNotExist) {
		return // the list is not part of the project: the ids above stand for it
	}
	if err != nil {
		t.Fatal(err)
	}
	known := slices.Concat(attacksOnVerifiers(), attacksElsewhere())
	for line := range strings.Lines(string(text)) {
		id, rest, _ := strings.Cut(line, "\t")
		area, _, _ := strings.Cut(rest, "\t")
		if slices.Contains([]string{"CLM", "DPO", "JSN", "JWK", "JWS"}, area) && !slices.Contains(known, id) {
			t.Errorf("%s is in the list and not here", id)
		}
	}
}
