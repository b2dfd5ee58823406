package password

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"hilum/idp"
)

// TestPasswordsInManyScripts: the strong are taken, with doubled letters of any
// script; the weak are not.
func TestPasswordsInManyScripts(t *testing.T) {
	h := New(Config{})
	for script, row := range map[string]struct{ strong, weak []string }{
		"Latin": {
			[]string{"longueur dé léééphant", "älterer Hüüttenkäääse 7", "żółłta gęśś lata", "Straßßenbahn-Zwölff", "naïïve façaade 9", "œuuvre étéé", "høøre på fjeld", "şşişe çaay bardağı"},
			[]string{"éééééééé", "ääääääääää", "üüüüüüüüüüüüüüüü", "éaéaéaéaéa", "Ää12345678", "éé1234567890", "ßßpassword", "passwordéé"},
		},
		"Greek":      {[]string{"καλημέέρα κόόσμε", "θάλασσσα και ήήλιος", "ωωραίίο φεγγάρι"}, []string{"αααααααα", "αβαβαβαβαβ", "αα12345678"}},
		"Cyrillic":   {[]string{"Привеет, длиинный мир", "ппаарроолльь и река", "зимаа наступиит скоро", "щщи да кааша 7"}, []string{"аааааааааа", "щщщщщщщщ", "жж123456"}},
		"Hebrew":     {[]string{"שלוום עולםם גדול", "תפוחח אדמהה חם"}, []string{"אאאאאאאאא", "אבאבאבאבאב"}},
		"Arabic":     {[]string{"مرحبباا بالعاالم", "قهووة صبااحا حلوة"}, []string{"ااااااااا", "ببببببببب"}},
		"Devanagari": {[]string{"नमस्तेे दुनियाा सुंदर"}, []string{"कककककककक"}},
		"Han":        {[]string{"放射線線の窓窓から見る", "春春眠不覺曉處處聞啼鳥"}, []string{"放放放放放放放放", "日本日本日本日本"}},
		"Hangul":     {[]string{"안녕녕하세세요 세상상아"}, []string{"가가가가가가가가"}},
		"signs":      {[]string{"🩻🩻 röntgen 🏥 am meer", "«Voilà» — dit-ellle"}, []string{"🏥🏥🏥🏥🏥🏥🏥🏥"}},
	} {
		for _, pw := range row.strong {
			if err := h.Acceptable(idp.Secret(pw), "anna", "Klinik"); err != nil {
				t.Errorf("%s: %q is refused: %v", script, pw, err)
			}
		}
		for _, pw := range row.weak {
			var fault *idp.FieldError
			if err := h.Acceptable(idp.Secret(pw), "anna", "Klinik"); !errors.As(err, &fault) || fault.Message != "password.common" {
				t.Errorf("%s: %q: %v", script, pw, err)
			}
		}
	}
}

// TestDoubledLettersAreNoWeakness: of long texts made by chance, in which letters
// are doubled here and there, none is refused, in any script.
func TestDoubledLettersAreNoWeakness(t *testing.T) {
	h := New(Config{})
	r := rand.New(rand.NewPCG(1, 2))
	n := 0
	for script, letters := range map[string]string{
		"Latin": "abcdefghijklmnopqrstuvwxyzäöüßéèêçñåøłśżőű", "Greek": "αβγδεζηθικλμνξοπρστυφχψωάέήίόύώ", "Cyrillic": "абвгдежзийклмнопрстуфхцчшщъыьэюя",
		"Hebrew": "אבגדהוזחטיכלמנסעפצקרשת", "Han": "放射線窓春眠不覺曉處聞啼鳥夜來風雨聲花落知多少", "mixed": "aBc1é2ж3ω4放5א6!ü",
	} {
		all := []rune(letters)
		for range 500 {
			var b strings.Builder
			for b.Len() < 12 || strings.Count(b.String(), "")-1 < 12 {
				l := all[r.IntN(len(all))]
				b.WriteRune(l)
				if r.IntN(3) == 0 {
					b.WriteRune(l)
				}
				if r.IntN(8) == 0 {
					b.WriteByte(' ')
				}
			}
			n++
			if err := h.Acceptable(idp.Secret(b.String())); err != nil {
				t.Errorf("%s: %q: %v", script, b.String(), err)
			}
		}
	}
	t.Logf("%d passwords", n)
}
