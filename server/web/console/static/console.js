// The pages work without this script. It adds two comforts.
"use strict";

// A form is sent once: the second click of a double click does nothing.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) {
    event.preventDefault();
    return;
  }
  event.target.dataset.sent = "yes";
});

// A page that the browser shows again, after "back", can be sent again.
window.addEventListener("pageshow", () => {
  for (const form of document.forms) {
    delete form.dataset.sent;
  }
});

// Each exact time is also shown in the time zone of this browser.
const format = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "long" });
for (const time of document.querySelectorAll("time")) {
  time.title = `${format.format(new Date(time.dateTime))} (${time.title})`;
}
