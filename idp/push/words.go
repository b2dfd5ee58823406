package push

import (
	"context"

	"hilum/idp"
)

// Words returns what a phone shows of a push before our app has looked: a title and a
// line of text, in the language that its person reads. They name nobody and say no
// more than that something waits, as all of a push. Both empty: nothing is shown.
type Words func(ctx context.Context, p *idp.Push) (title, text string)
