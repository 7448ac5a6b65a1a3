"""The shop's API: products and orders in PostgreSQL, the list of products kept in Redis for a few seconds.

SHOP_DB_HOST (shop-db), SHOP_DB_NAME (shop), SHOP_DB_USER (shop), SHOP_DB_PASSWORD, SHOP_CACHE_HOST (shop-cache),
SHOP_CACHE_SECONDS (2), and those of shop_service and shop_faults. Works on without Redis; not without PostgreSQL.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg2
import shop_redis
from psycopg2.extensions import connection as Connection  # noqa: N812 - the library names its class in lower case
from shop_service import Answer, Service, main

T = TypeVar("T")
KEY = "shop:products"
SCHEMA = """
create table if not exists product (id serial primary key, name text unique not null, price numeric(8, 2) not null);
create table if not exists purchase (id bigserial primary key, product_id int not null references product,
    quantity int not null check (quantity between 1 and 1000), made_at timestamptz not null default now());
insert into product (name, price) values ('tea', 4.50), ('coffee', 7.20), ('cocoa', 5.80) on conflict do nothing;
"""
PRODUCTS = """
select product.name, product.price, coalesce(sum(purchase.quantity), 0)
from product left join purchase on purchase.product_id = product.id group by product.id order by product.id
"""
ORDER = "insert into purchase (product_id, quantity) select id, %s from product where name = %s returning id"


class Api(Service):
    """GET /products, GET /orders, POST /orders {product, quantity}."""

    name = "shop-api"

    def begin(self) -> None:
        """Connections are kept for reuse; the schema is made by whoever reaches the database first."""
        self._idle: list[Connection] = []
        self._lock = threading.Lock()
        self._made = False
        self._why = "the database has not been reached yet"
        threading.Thread(target=self._reach, daemon=True).start()

    def answer(self, method: str, path: str, body: bytes, accept: str) -> Answer:
        """Products, orders, or 404."""
        if path == "/products":
            return 200, {"products": self._products(), "version": self.version, "pod": self.pod}
        if path == "/orders" and method == "POST":
            return self._order(body)
        if path == "/orders":
            return 200, {"orders": self._with_database(_one("select count(*) from purchase"))}
        return 404, {"error": f"there is nothing at {path}"}

    def unready(self) -> str:
        """Without its database no order can be taken."""
        if not self._made:
            return self._why
        try:
            self._with_database(_one("select 1"))
        except psycopg2.Error as error:
            return f"database: {error}".strip()
        return ""

    def _reach(self) -> None:
        while not self._made:
            try:
                self._with_database(_run(SCHEMA))
                self._made = True
                self.log.write("info", "the database is there")
            except psycopg2.Error as error:
                self._why = f"database: {error}".strip()
                self.log.write("warning", "the database does not answer yet", error=str(error).strip())
                time.sleep(1)

    def _products(self) -> Any:
        kept = self._cache("GET", KEY)
        if kept:
            return json.loads(kept)
        rows = self._with_database(_all(PRODUCTS))
        found = [{"name": name, "price": str(price), "sold": int(sold)} for name, price, sold in rows]
        self._cache("SET", KEY, json.dumps(found), "EX", self.settings.get("SHOP_CACHE_SECONDS", "2"))
        return found

    def _order(self, body: bytes) -> Answer:
        try:
            wanted = json.loads(body)
            product, quantity = str(wanted["product"]), int(wanted.get("quantity", 1))
        except (ValueError, KeyError, TypeError, AttributeError):
            return 400, {"error": 'an order is {"product": NAME, "quantity": NUMBER}'}
        if not 1 <= quantity <= 1000:
            return 400, {"error": "quantity is 1 to 1000"}
        row = self._with_database(_one(ORDER, quantity, product))
        if row is None:
            return 404, {"error": f"there is no {product}"}
        self._cache("DEL", KEY)
        return 201, {"order": row, "product": product, "quantity": quantity}

    def _cache(self, *words: str) -> str | None:
        try:
            kept: str | None = shop_redis.ask(
                self.settings.get("SHOP_CACHE_HOST", "shop-cache"),
                *words,
                password=self.settings.get("SHOP_CACHE_PASSWORD"),
                port=int(self.settings.get("SHOP_CACHE_PORT", "6379")),
            )
            return kept
        except (OSError, shop_redis.Refused) as error:
            self.log.write("warning", "no cache: asking the database", error=str(error))
            return None

    def _with_database(self, work: Callable[[Connection], T]) -> T:
        """One transaction, tried once more on a new connection when a kept one turns out dead."""
        for last in (False, True):
            with self._borrowed(new=last) as database:
                try:
                    with database:
                        return work(database)
                except (psycopg2.OperationalError, psycopg2.InterfaceError):
                    database.close()
                    if last:
                        raise
        raise AssertionError("unreachable")

    @contextmanager
    def _borrowed(self, *, new: bool) -> Iterator[Connection]:
        with self._lock:
            if new:
                self._idle.clear()
            kept = self._idle.pop() if self._idle else None
        database = kept or self._connect()
        try:
            yield database
        finally:
            if not database.closed:
                with self._lock:
                    self._idle.append(database)

    def _connect(self) -> Connection:
        return psycopg2.connect(
            host=self.settings.get("SHOP_DB_HOST", "shop-db"),
            port=int(self.settings.get("SHOP_DB_PORT", "5432")),
            dbname=self.settings.get("SHOP_DB_NAME", "shop"),
            user=self.settings.get("SHOP_DB_USER", "shop"),
            password=self.settings.get("SHOP_DB_PASSWORD"),
            connect_timeout=3,
        )


def _run(text: str, *values: object) -> Callable[[Connection], None]:
    def work(database: Connection) -> None:
        with database.cursor() as cursor:
            cursor.execute(text, values or None)

    return work


def _all(text: str, *values: object) -> Callable[[Connection], list[tuple[Any, ...]]]:
    def work(database: Connection) -> list[tuple[Any, ...]]:
        with database.cursor() as cursor:
            cursor.execute(text, values or None)
            return list(cursor.fetchall())

    return work


def _one(text: str, *values: object) -> Callable[[Connection], Any]:
    def work(database: Connection) -> Any:
        rows = _all(text, *values)(database)
        return rows[0][0] if rows else None

    return work


if __name__ == "__main__":
    main(Api)
