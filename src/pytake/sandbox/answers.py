"""Plausible answers in the customer's language, and token counts, for the stand-in of OpenAI's chat API."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

CACHE_FROM = 1024
CACHE_STEP = 128

MARKERS: dict[str, tuple[str, ...]] = {
    "pt": ("olá", "oi", "pedido", "quero", "obrigad", "você", "meu", "prazo"),
    "es": ("hola", "quiero", "gracias", "dónde", "cuándo", "usted", "mi "),
    "de": ("hallo", "bitte", "bestellung", "wann", "danke", "ich", "können"),
    "fr": ("bonjour", "commande", "merci", "quand", "je ", "vous"),
    "hi": ("नमस्ते", "ऑर्डर", "कब", "धन्यवाद", "मुझे"),
    "ar": ("مرحبا", "طلب", "متى", "شكرا", "أريد"),
    "id": ("halo", "pesanan", "kapan", "terima kasih", "saya", "tolong"),
    "en": ("hello", "hi", "order", "when", "thanks", "please", "the"),
}
ANSWERS: dict[str, tuple[str, ...]] = {
    "en": (
        "Thanks for writing! I looked into it: your order left our warehouse this morning and arrives in two days.",
        "Of course. We are open Monday to Friday, 9 to 18. Shall I book a time for you?",
        "You can return it within 30 days. I have just sent the label to your e-mail address.",
        "I see the payment twice here. The second one goes back to your card within three working days.",
    ),
    "pt": (
        "Obrigado por escrever! Verifiquei aqui: seu pedido saiu hoje cedo e chega em dois dias.",
        "Claro. Atendemos de segunda a sexta, das 9h às 18h. Quer que eu marque um horário?",
        "Você pode devolver em até 30 dias. Acabei de enviar a etiqueta para o seu e-mail.",
    ),
    "es": (
        "¡Gracias por escribirnos! Tu pedido salió esta mañana y llega en dos días.",
        "Claro. Abrimos de lunes a viernes, de 9 a 18. ¿Quieres que reserve una hora?",
        "Puedes devolverlo en un plazo de 30 días. Acabo de enviarte la etiqueta por correo.",
    ),
    "de": (
        "Danke für Ihre Nachricht! Ihre Bestellung ist heute früh raus und kommt in zwei Tagen an.",
        "Gern. Wir haben Montag bis Freitag von 9 bis 18 Uhr offen. Soll ich einen Termin eintragen?",
    ),
    "fr": (
        "Merci de votre message ! Votre commande est partie ce matin et arrive dans deux jours.",
        "Bien sûr. Nous sommes ouverts du lundi au vendredi, de 9 h à 18 h.",
    ),
    "hi": ("संदेश के लिए धन्यवाद! आपका ऑर्डर आज सुबह निकल गया है और दो दिन में पहुँच जाएगा।",),
    "ar": ("شكراً لرسالتك! خرج طلبك من المستودع هذا الصباح وسيصل خلال يومين.",),
    "id": ("Terima kasih sudah menghubungi kami! Pesanan Anda berangkat pagi ini dan tiba dalam dua hari.",),
}
HUMAN_WORDS = ("human", "agent", "person", "humano", "atendente", "persona", "mensch", "mitarbeiter", "conseiller")


@dataclass(frozen=True)
class Usage:
    """Token counts of one call; ``cached`` is part of ``prompt``, ``reasoning`` of ``completion``."""

    prompt: int
    cached: int
    completion: int
    reasoning: int = 0

    def body(self) -> dict[str, object]:
        """The ``usage`` object of the response."""
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.completion,
            "total_tokens": self.prompt + self.completion,
            "prompt_tokens_details": {"cached_tokens": self.cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": self.reasoning,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        }

    def times(self, factor: float) -> "Usage":
        """The same call, far more expensive."""
        return Usage(*(int(count * factor) for count in (self.prompt, self.cached, self.completion, self.reasoning)))


def language_of(text: str) -> str:
    """The language with most markers in ``text``; English when nothing speaks for another."""
    lowered = text.lower()
    scores = {code: sum(word in lowered for word in words) for code, words in MARKERS.items()}
    best = max(scores, key=lambda code: (scores[code], code == "en"))
    return best if scores[best] else "en"


def answer(last: str, rng: random.Random) -> str:
    """An answer to the customer's last message, in its language."""
    return rng.choice(ANSWERS[language_of(last)])


def wants_human(last: str) -> bool:
    """Whether the customer asks for a person."""
    lowered = last.lower()
    return any(word in lowered for word in HUMAN_WORDS)


def count_tokens(text: str) -> int:
    """About one token for four bytes, never none for a text."""
    return max(1, len(text.encode()) // 4) if text else 0


class PromptCache:
    """Which prompt beginnings were seen: like the real cache from 1,024 tokens on, in steps of 128."""

    def __init__(self, size: int = 10_000):
        self._seen: dict[bytes, None] = {}
        self._size = size

    def cached(self, messages: Sequence[str], total: int) -> int:
        """Tokens of the longest known beginning; remembers this prompt."""
        known = 0
        so_far = 0
        digest = hashlib.blake2b(digest_size=12)
        for text in messages:
            digest.update(text.encode())
            so_far += count_tokens(text) + 4
            key = digest.digest()
            if key in self._seen:
                known = so_far
            self._seen[key] = None
        while len(self._seen) > self._size:
            self._seen.pop(next(iter(self._seen)))
        return 0 if min(known, total) < CACHE_FROM else min(known, total) // CACHE_STEP * CACHE_STEP
