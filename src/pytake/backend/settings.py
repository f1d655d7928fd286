"""Settings of the API and the worker, from the environment and ``.env``."""

from functools import lru_cache
from pathlib import Path
from typing import Annotated

from pydantic import AnyHttpUrl, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

Seconds = Annotated[float, Field(gt=0)]


class Settings(BaseSettings):
    """Everything that an operator may set; names start with ``PYTAKE_`` unless another name is given."""

    model_config = SettingsConfigDict(env_prefix="PYTAKE_", env_file=".env", extra="ignore", populate_by_name=True)

    # --- stores
    database_url: str = Field(
        "postgresql+asyncpg://pytake@127.0.0.1:5432/pytake", description="SQLAlchemy URL of PostgreSQL (asyncpg)."
    )
    database_pool_size: int = Field(8, ge=1, description="Database connections that one process keeps open.")
    database_max_overflow: int = Field(8, ge=0, description="Connections that one process may open beyond the pool.")
    database_timeout: Seconds = Field(10.0, description="Seconds after which a SQL statement is given up.")
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="URL of Redis (streams, pub/sub, pacing, cache).")
    redis_timeout: Seconds = Field(2.0, description="Seconds after which a Redis command is given up.")

    # --- API process
    api_host: str = Field("127.0.0.1", description="Address that the API listens on.")
    api_port: int = Field(8789, ge=1, le=65535, description="Port of the API.")
    api_workers: int = Field(1, ge=1, le=64, description="API processes that share the port.")
    stop_timeout: Seconds = Field(20.0, description="Seconds that in-flight requests and jobs get at a stop.")
    webhook_max_bytes: int = Field(3 * 1024 * 1024, ge=1024, description="Largest webhook body that is read.")
    request_max_bytes: int = Field(256 * 1024, ge=1024, description="Largest REST request body that is read.")
    websocket_queue: int = Field(
        256, ge=1, description="Events that wait for one slow inbox socket before it is closed."
    )
    websocket_auth_timeout: Seconds = Field(5.0, description="Seconds that a socket has to present its API key.")

    # --- worker process
    worker_metrics_host: str = Field("127.0.0.1", description="Address of the worker's metrics page.")
    worker_metrics_port: int = Field(8790, ge=1, le=65535, description="Port of the worker's metrics page.")
    worker_concurrency: int = Field(16, ge=1, le=500, description="Jobs that one worker process works on at a time.")
    worker_nice: int = Field(
        5, ge=0, le=19, description="Politeness of the worker (nice): on a busy host webhooks are acknowledged first."
    )
    job_lease: Seconds = Field(30.0, description="Seconds without a heartbeat after which another worker takes a job.")
    job_timeout: Seconds = Field(100.0, description="Seconds after which a job is interrupted and tried again.")
    job_attempts: int = Field(5, ge=1, description="Failures after which a job goes to the dead letters.")
    job_backoff: Seconds = Field(1.0, description="Seconds before a failed job is tried again; doubles each time.")
    sweep_interval: Seconds = Field(15.0, description="Seconds between two searches for work that lost its job.")
    sweep_after: Seconds = Field(20.0, description="Seconds after which due work that no job has counts as lost.")
    poll_interval: Seconds = Field(300.0, description="Seconds between two looks at numbers and templates (Graph API).")
    gauges_interval: Seconds = Field(10.0, description="Seconds between two readings of the business gauges.")
    delivery_window: Seconds = Field(24 * 3600.0, description="An accepted message not delivered by then has expired.")
    in_doubt_grace: Seconds = Field(
        300.0, description="Seconds that a send in doubt waits for its status webhook before a human takes over."
    )
    conversation_idle: Seconds = Field(
        24 * 3600.0, description="A conversation without messages closes after this long."
    )

    # --- WhatsApp
    meta_base_url: AnyHttpUrl = Field(
        AnyHttpUrl("https://graph.facebook.com"), description="Base URL of the Graph API, without the version."
    )
    meta_api_version: str = Field("v23.0", pattern=r"^v\d+\.\d+$", description="Version of the Graph API.")
    meta_app_secret: SecretStr = Field(SecretStr(""), description="App secret that signs the webhooks.")
    meta_verify_token: SecretStr = Field(SecretStr(""), description="Token of the webhook's GET handshake.")
    meta_timeout: Seconds = Field(15.0, description="Seconds after which a Graph API call is given up.")
    instances_file: Path | None = Field(
        None,
        description="YAML or JSON list of WhatsApp numbers: slug, phone_number_id, waba_id, display_phone_number, "
        "access_token or access_token_file, optionally app_secret or app_secret_file, rate_per_second.",
    )
    number_rate: float = Field(80.0, gt=0, description="Messages a second that one number may send.")
    pair_burst: int = Field(45, ge=1, description="Messages in a row to one customer before pacing starts.")
    pair_interval: Seconds = Field(6.0, description="Seconds a message to one customer once the burst is used up.")

    # --- AI
    openai_base_url: AnyHttpUrl = Field(
        AnyHttpUrl("https://api.openai.com/v1"), description="Base URL of the OpenAI API."
    )
    openai_api_key: SecretStr = Field(SecretStr(""), description="Key of the OpenAI API; empty: humans answer.")
    openai_model: str = Field("gpt-4o-mini", description="Model that answers customers.")
    openai_timeout: Seconds = Field(20.0, description="Seconds after which one call to the model is given up.")
    openai_attempts: int = Field(3, ge=1, le=10, description="Calls to the model for one answer, retries included.")
    openai_max_output_tokens: int = Field(400, ge=1, description="Longest answer, in tokens.")
    openai_max_input_tokens: int = Field(3000, ge=100, description="Most tokens of history sent (estimated).")
    ai_prompt: str = Field(
        "You answer customers of a business on WhatsApp. Be brief, kind and correct, in the customer's language. "
        "Call hand_over_to_human when the customer asks for a person or when you cannot help.",
        description="System prompt.",
    )
    ai_enabled: bool = Field(True, description="Whether new conversations are answered by the model.")
    ai_budget_usd_per_day: float = Field(
        50.0, ge=0, description="AI spending a day (UTC, US dollars) after which humans answer; 0: no budget."
    )
    ai_breaker_threshold: int = Field(5, ge=1, description="Failures in a row that open the circuit breaker.")
    ai_breaker_seconds: Seconds = Field(30.0, description="Seconds that the circuit breaker stays open.")
    handover_words: Annotated[frozenset[str], NoDecode] = Field(
        frozenset({"human", "agent", "atendente", "humano", "humana", "operator", "operador", "agente", "mensch"}),
        description="Words, separated by commas, with which a customer asks for a human.",
    )

    # --- access
    admin_api_key: SecretStr = Field(SecretStr(""), description="API key with the role admin.")
    agent_api_key: SecretStr = Field(SecretStr(""), description="API key with the role agent.")
    readonly_api_key: SecretStr = Field(SecretStr(""), description="API key with the role readonly.")
    alert_webhook_token: SecretStr = Field(
        SecretStr(""),
        validation_alias="ALERT_WEBHOOK_TOKEN",
        description="Bearer token that Alertmanager presents; empty: the endpoint answers 503.",
    )
    oncall_number: str | None = Field(None, description="Phone number (digits) that gets alerts by WhatsApp.")
    oncall_template: str = Field("pytake_alert", description="Template of those messages: one body parameter.")
    oncall_template_language: str = Field("en", description="Its language code.")
    oncall_instance: str | None = Field(None, description="Slug of the number that sends them; unset: the first one.")

    # --- where things are
    data_dir: Path = Field(Path("var"), description="Directory whose free space the health check watches.")
    disk_min_free_ratio: float = Field(
        0.05, ge=0, lt=1, description="Free share of the disk below which it is unhealthy."
    )
    memory_min_free_ratio: float = Field(
        0.03, ge=0, lt=1, description="Free share of memory below which it is unhealthy."
    )
    runbooks_dir: Path = Field(
        Path("docs/runbooks"), description="Folder of the runbooks that `/runbooks/<AlertName>.md` shows."
    )
    queue_max_age: Seconds = Field(120.0, description="Age of the oldest job from which the queue counts as degraded.")

    def graph_url(self) -> str:
        """Base URL of the Graph API with its version, without a slash at the end."""
        return f"{str(self.meta_base_url).rstrip('/')}/{self.meta_api_version}"


@lru_cache
def get_settings() -> Settings:
    """The process's settings, read once."""
    return Settings()
