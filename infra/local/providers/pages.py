"""The pages that people see: consent, the need of an administrator, and errors. No script, nothing from elsewhere."""

from base64 import b64encode
from hashlib import sha256
from html import escape

from infra.local.providers.exchange import Answer
from infra.local.providers.house import Ask, House

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; background: #f4f5f7; color: #1c1e21; margin: 0; }
main { background: #fff; max-width: 26rem;
  margin: 6vh auto; padding: 2rem; border-radius: 12px; box-shadow: 0 1px 6px #0002; }
h1 { font-size: 1.35rem; margin: 1rem 0; }
.house { font-weight: 700; font-size: 1.1rem; }
.house::before { content: ""; display: inline-block; width: .8em; height: .8em; border-radius: 3px;
  background: var(--house); margin-right: .5em; }
fieldset { border: 1px solid #dcdfe4; border-radius: 8px; margin: 1rem 0; padding: .5rem 1rem; }
legend { padding: 0 .4rem; color: #5b6169; }
label, li { display: block; padding: .25rem 0; } ul { padding: 0; margin: 0; } small { color: #5b6169; }
.ends { display: flex; gap: .75rem; justify-content: flex-end; margin-top: 1.5rem; }
button { font: inherit; padding: .55rem 1.4rem; border-radius: 8px;
  border: 1px solid #c3c8cf; background: #fff; cursor: pointer; }
button.yes { background: var(--house); color: #fff; border-color: transparent; }
"""


def consent(house: House, ask: Ask, ticket: str) -> Answer:
    """Whose account, which scopes, and the two answers."""
    people = "".join(
        f'<label><input type="radio" name="person" value="{escape(person.id)}"{" checked" if number == 0 else ""}> '
        f"{escape(person.name)} <small>{escape(person.email)}</small></label>"
        for number, person in enumerate(house.people_of(ask.tenant))
    )
    scopes = "".join(_scope(house, scope) for scope in ask.scopes)
    return _page(
        house,
        f"Farshore wants access to your {house.title} account",
        f"""<form method="post">
<input type="hidden" name="ticket" value="{escape(ticket)}">
<fieldset><legend>Account</legend>{people}</fieldset>
<fieldset><legend>This lets Farshore</legend><ul>{scopes}</ul></fieldset>
<div class="ends"><button name="answer" value="deny">Deny</button>
<button class="yes" name="answer" value="allow">Allow</button></div>
</form>""",
    )


def approval(house: House, ticket: str, *, way_back: bool) -> Answer:
    """An administrator has to agree first."""
    back = '<button name="answer" value="deny">Back without consent</button>' if way_back else ""
    return _page(
        house,
        "An administrator has to approve this",
        f"""<p>Your organisation allows this application only after an administrator agreed.</p>
<form method="post"><input type="hidden" name="ticket" value="{escape(ticket)}"><div class="ends">{back}</div></form>""",
        status=200 if way_back else 400,
    )


def failed(house: House, reason: str) -> Answer:
    """What no application is told: the request itself was wrong, so nobody is redirected."""
    return _page(house, "This request cannot be followed", f"<p>{escape(reason)}</p>", status=400)


def _scope(house: House, scope: str) -> str:
    words = escape(house.scopes[scope])
    if not house.tick_boxes or scope in house.fixed:
        return (
            f'<li>{words} <small>{escape(scope)}</small><input type="hidden" name="scope" value="{escape(scope)}"></li>'
        )
    return (
        f'<label><input type="checkbox" name="scope" value="{escape(scope)}" checked> '
        f"{words} <small>{escape(scope)}</small></label>"
    )


def _page(house: House, heading: str, inside: str, *, status: int = 200) -> Answer:
    style = f":root {{ --house: {house.color}; }}{_STYLE}"
    hashed = b64encode(sha256(style.encode()).digest()).decode()
    # No form-action: browsers hold a form's redirects to it too, and those end where the application wants.
    policy = f"default-src 'none'; style-src 'sha256-{hashed}'; frame-ancestors 'none'; base-uri 'none'"
    html = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{escape(house.title)} (simulated)</title><style>{style}</style></head>
<body><main><div class="house">{escape(house.title)} <small>simulated on this computer</small></div>
<h1>{escape(heading)}</h1>
{inside}
</main></body></html>
"""
    headers = (
        ("Content-Security-Policy", policy),
        ("X-Frame-Options", "DENY"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
        ("Cache-Control", "no-store"),
    )
    return Answer(status, html.encode(), "text/html; charset=utf-8", headers)
