"""Made-up customers: names, numbers from ranges that belong to nobody, languages, and what they write."""

import random
from dataclasses import dataclass

NAMES: dict[str, tuple[str, ...]] = {
    "pt": ("Ana Souza", "João Lima", "Beatriz Rocha", "Rafael Costa", "Camila Alves", "Pedro Nunes"),
    "en": ("Mary Cole", "James Ward", "Olivia Reed", "Noah Price", "Grace Hill", "Ethan Brooks"),
    "es": ("Lucía Vega", "Mateo Ruiz", "Sofía Mora", "Diego Santos", "Elena Cruz"),
    "de": ("Lena Vogel", "Jonas Huber", "Mia Krüger", "Paul Brandt"),
    "fr": ("Chloé Martin", "Louis Girard", "Inès Faure"),
    "hi": ("आरव शर्मा", "अनन्या गुप्ता", "रोहन मेहता"),
    "ar": ("ليلى حسن", "عمر خالد", "سارة علي"),
    "id": ("Siti Rahma", "Budi Santoso", "Dewi Lestari"),
}
PREFIXES = {
    "pt": ("BR", "5511900"),
    "en": ("US", "1555010"),
    "es": ("MX", "5255000"),
    "de": ("DE", "4915500"),
    "fr": ("FR", "3363998"),
    "hi": ("IN", "9155500"),
    "ar": ("EG", "2010000"),
    "id": ("ID", "6281000"),
}
"""Country and the beginning of numbers; the following digits are the customer's index."""
SHARES = {"pt": 34, "en": 26, "es": 16, "de": 6, "fr": 5, "hi": 6, "ar": 3, "id": 4}

OPENERS: dict[str, tuple[str, ...]] = {
    "pt": (
        "Olá! Onde está o meu pedido {order}?",
        "Oi, quero trocar um produto que chegou com defeito",
        "Boa tarde, vocês abrem no sábado?",
        "Qual é o prazo de entrega para Recife? 🙏",
    ),
    "en": (
        "Hello, where is my order {order}?",
        "Hi! I was charged twice for {order} 😕",
        "Good morning, are you open on Saturday?",
        "Can I still change the address of {order}? I moved last week and forgot to tell you, sorry!",
    ),
    "es": (
        "Hola, ¿dónde está mi pedido {order}?",
        "Buenas, quiero devolver unos zapatos",
        "¿Cuándo llega el pedido {order}? Es un regalo 🎁",
    ),
    "de": ("Hallo, wann kommt meine Bestellung {order}?", "Guten Tag, ich möchte bitte {order} stornieren."),
    "fr": ("Bonjour, quand arrive ma commande {order} ?", "Bonjour, je voudrais échanger un article."),
    "hi": ("नमस्ते, मेरा ऑर्डर {order} कब आएगा?",),
    "ar": ("مرحبا، متى يصل طلبي {order}؟",),
    "id": ("Halo, kapan pesanan {order} saya sampai?",),
}
FOLLOW_UPS: dict[str, tuple[str, ...]] = {
    "pt": ("Ok, obrigado!", "E quanto custa o frete?", "Pode me mandar o código de rastreio?", "👍"),
    "en": ("Thanks a lot!", "And how much is shipping?", "Can you send me the tracking number?", "👍", "ok"),
    "es": ("¡Gracias!", "¿Y cuánto cuesta el envío?", "👍"),
    "de": ("Danke!", "Und was kostet der Versand?"),
    "fr": ("Merci !", "Et la livraison, c'est combien ?"),
    "hi": ("धन्यवाद!", "डिलीवरी का खर्च कितना है?"),
    "ar": ("شكرا!", "كم تكلفة الشحن؟"),
    "id": ("Terima kasih!", "Ongkirnya berapa ya?"),
}
ASK_HUMAN: dict[str, str] = {
    "pt": "Quero falar com um atendente humano, por favor",
    "en": "I want to talk to a human, please",
    "es": "Quiero hablar con una persona, por favor",
    "de": "Ich möchte bitte mit einem Mitarbeiter sprechen (human)",
    "fr": "Je veux parler à un conseiller, un humain (human agent)",
    "hi": "मुझे किसी इंसान से बात करनी है (human agent)",
    "ar": "أريد التحدث إلى موظف (human agent)",
    "id": "Saya mau bicara dengan petugas (human agent)",
}


@dataclass(frozen=True)
class Customer:
    """One made-up customer. ``user_id`` is the business-scoped id; some customers show only that."""

    wa_id: str
    name: str
    language: str
    user_id: str
    patience: float


def make_customers(count: int, rng: random.Random) -> list[Customer]:
    """``count`` customers, the same ones for the same random state."""
    languages = rng.choices(list(SHARES), weights=list(SHARES.values()), k=count)
    return [_customer(index, language, rng) for index, language in enumerate(languages)]


def _customer(index: int, language: str, rng: random.Random) -> Customer:
    country, prefix = PREFIXES[language]
    return Customer(
        wa_id=f"{prefix}{index:05d}",
        name=rng.choice(NAMES[language]),
        language=language,
        user_id=f"{country}.{rng.randrange(10**15, 10**16)}",
        patience=rng.uniform(0.3, 0.8),
    )


def opener(customer: Customer, rng: random.Random) -> str:
    """The first message of a conversation."""
    return rng.choice(OPENERS[customer.language]).format(order=f"PT-{rng.randrange(10_000, 99_999)}")


def follow_up(customer: Customer, rng: random.Random) -> str:
    """A later message; now and then the wish for a person."""
    return ASK_HUMAN[customer.language] if rng.random() < 0.06 else rng.choice(FOLLOW_UPS[customer.language])
