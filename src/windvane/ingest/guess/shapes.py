"""What tells our tables apart: how much each column that is found speaks for a table, and which cannot be missing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shape:
    """What tells a table: weights of our columns, and which must be found."""

    needed: tuple[str, ...]
    weights: dict[str, float]
    words: str


SHAPES: dict[str, Shape] = {
    "orders": Shape(
        ("ordered_at", "sku", "units"),
        {
            "order_id": 2.0, "ordered_at": 1.5, "sku": 1.0, "units": 2.0, "unit_price": 0.7, "amount": 0.7,
            "customer": 0.7, "location": 0.4, "channel": 0.3, "discount": 0.4, "line": 0.3, "title": 0.1,
            "known_at": 0.2,
        },
        r"order|sale|transac|invoice|bestell|auftrag|verkauf|umsatz|pedido|venta|commande|vente|订单|销售|流水|交易|注文|受注|売上",
    ),
    "products": Shape(
        ("sku",),
        {
            "sku": 1.0, "title": 1.5, "category": 1.2, "brand": 1.0, "description": 0.8, "unit_cost": 0.8,
            "launched_on": 0.8, "ended_on": 0.5, "pack_size": 0.8, "shelf_life": 0.8,
        },
        r"product|item|article|catalog|sku|artikel|produkt|sortiment|articulo|catalogue|商品|产品|货品|商品マスタ",
    ),
    "stock": Shape(
        ("sku", "date", "on_hand"),
        {"sku": 1.0, "date": 0.7, "on_hand": 3.0, "on_order": 1.0, "location": 0.4, "known_at": 0.2},
        r"stock|inventory|bestand|lager|existencias|inventario|库存|在庫",
    ),
    "prices": Shape(
        ("sku", "valid_from", "price"),
        {
            "sku": 0.7, "valid_from": 2.0, "valid_to": 1.0, "price": 1.5, "list_price": 0.8, "location": 0.3,
            "known_at": 0.5,
        },
        r"price|preis|precio|prix|价格|価格",
    ),
    "promotions": Shape(
        ("sku", "starts_on", "ends_on"),
        {
            "sku": 0.7, "promotion": 1.5, "starts_on": 2.0, "ends_on": 2.0, "depth": 1.0, "location": 0.3,
            "known_at": 0.5,
        },
        r"promo|campaign|aktion|kampagne|活动|促销|キャンペーン",
    ),
    "supply": Shape(
        ("sku", "supplier"),
        {"sku": 0.7, "supplier": 1.8, "lead_time": 2.0, "moq": 1.5, "location": 0.3},
        r"suppl|vendor|lieferant|proveedor|fournisseur|供应商|仕入先",
    ),
    "receipts": Shape(
        ("sku", "supplier", "ordered_at", "received_at", "units"),
        {"sku": 0.7, "supplier": 1.2, "ordered_at": 1.0, "received_at": 2.5, "units": 1.2, "location": 0.3},
        r"receipt|deliver|wareneingang|recepcion|reception|入库|到货|入荷",
    ),
    "reviews": Shape(
        ("sku", "at"),
        {"review_id": 1.0, "at": 0.7, "sku": 0.7, "rating": 2.5, "text": 2.5, "customer": 0.3, "known_at": 0.2},
        r"review|rating|feedback|bewertung|opinion|avis|评论|评价|レビュー",
    ),
    "events": Shape(
        ("at", "kind"),
        {"at": 0.7, "kind": 2.5, "session": 2.0, "sku": 0.7, "customer": 0.7},
        r"event|click|behavio|visit|行为|点击|イベント",
    ),
    "customers": Shape(
        ("customer",), {"customer": 1.0, "joined_on": 2.5}, r"customer|client|kunde|cliente|会员|客户|顧客"
    ),
    "locations": Shape(
        ("location",),
        {"location": 1.0, "name": 1.2, "region": 1.2, "country": 1.2},
        r"store|location|shop|filial|tienda|门店|店舗",
    ),
}  # fmt: skip
