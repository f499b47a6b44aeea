// Package console serves the pages for people: what waits for a decision, what a request would sign, and what there is.
//
// Its parts:
//
//   - console.go lists the paths. frame.go runs each of them: session, transaction, banners, template. headers.go has what the
//     browser must enforce.
//   - session.go signs people in and out. A way to sign in calls startSession with the person that it identified.
//   - One file for each page reads what the page shows: waiting.go, request.go, certificates.go,
//     profiles.go, activity.go, overview.go. Its template is in pages, with the same name.
//   - decide.go has the forms that change something.
//   - text.go, time.go and pages/parts.html show words of users, times and common pieces, on every page in the same way.
//
// The package has no rule of its own, and owns no table. The pages read by the packages that the API uses, and the forms call
// what the API calls. Nothing here moves by itself: no page refreshes, and no GET changes anything.
package console
