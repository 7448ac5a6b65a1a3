"""The shop's front: one page with what there is to buy, and a button that orders. Asks the API for everything.

SHOP_API (http://shop-api:8080), SHOP_GREETING, SHOP_PORT, SHOP_DRAIN, SHOP_FAULT: see shop_service and shop_faults.
"""

from __future__ import annotations

import html
import json
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from shop_service import Answer, Service, main

ASK_TIMEOUT = 3.0


class Web(Service):
    """GET / is the page (or JSON), POST /buy orders."""

    name = "shop-web"

    def answer(self, method: str, path: str, body: bytes, accept: str) -> Answer:
        """The page, an order, or 404."""
        if path == "/buy" and method == "POST":
            return self._ask("/orders", body or b'{"product": "tea", "quantity": 1}')
        if path != "/":
            return 404, {"error": f"there is nothing at {path}"}
        status, shelf = self._ask("/products")
        said = {"greeting": self._greeting(), "version": self.version, "pod": self.pod, "shop": shelf}
        if "text/html" not in accept:
            return status, said
        return status, self._page(status, shelf)

    def unready(self) -> str:
        """Ready without the API as well: a page that says what is missing is better than none."""
        return ""

    def _greeting(self) -> str:
        return str(self.settings.get("SHOP_GREETING", "Welcome to the shop"))

    def _api(self) -> str:
        address = self.settings.get("SHOP_API", "http://shop-api:8080").rstrip("/")
        wrong = self.faults.value("wrong-api")
        return f"{urlsplit(address).scheme}://{wrong}:8080" if wrong else address

    def _ask(self, path: str, body: bytes | None = None) -> Answer:
        address = self._api() + path
        asked = urllib.request.Request(  # noqa: S310 - the operator's own address
            address, data=body, headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(asked, timeout=ASK_TIMEOUT) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read())
        except urllib.error.HTTPError as error:
            self.log.write("error", "the API refused", address=address, status=error.code)
            return 502, {"error": f"the API answered {error.code}"}
        except (OSError, ValueError) as error:
            self.log.write("error", "the API does not answer", address=address, error=str(error))
            return 502, {"error": f"the API at {address} does not answer: {error}"}

    def _page(self, status: int, shelf: object) -> str:
        products = shelf.get("products", []) if isinstance(shelf, dict) else []
        rows = "".join(
            f"<tr><td>{html.escape(str(each['name']))}</td><td>{each['price']}</td><td>{each['sold']}</td></tr>"
            for each in products
        )
        trouble = "" if status == 200 else f"<p><strong>{html.escape(json.dumps(shelf))}</strong></p>"
        return (
            f'<!doctype html><html lang="en"><title>Shop</title><h1>{html.escape(self._greeting())}</h1>{trouble}'
            f"<table><tr><th>Product</th><th>Price</th><th>Sold</th></tr>{rows}</table>"
            '<form method="post" action="/buy"><button>Buy a tea</button></form>'
            f"<p>shop-web {html.escape(self.version)} on {html.escape(self.pod)}</p></html>"
        )


if __name__ == "__main__":
    main(Web)
