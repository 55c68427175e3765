"""``python -m shared.api > docs/openapi.json`` renews the committed copy of the API's description."""

import json
import sys
from typing import cast

from shared.api.app import build
from shared.api.description import document
from shared.api.services import Services

# Routes are described without being called, so there is nobody for them to ask.
json.dump(document(build(cast(Services, None))), sys.stdout, indent=2, ensure_ascii=False)
sys.stdout.write("\n")
