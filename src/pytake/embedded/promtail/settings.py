"""``promtail.yml`` as typed settings; the keys are those of Promtail's configuration page.

An unknown key is an error that says where it stands. What exists in Promtail and not here is refused by name
(:data:`NOT_SUPPORTED`), with what to use instead.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from pytake.embedded.common.config import ConfigError, load_yaml, parse_duration, parse_size

Seconds = Annotated[float, BeforeValidator(parse_duration)]
Size = Annotated[int, BeforeValidator(parse_size)]
Strings = Annotated[dict[str, str], BeforeValidator(lambda value: {k: str(v) for k, v in (value or {}).items()})]

_MISSING_SOURCES = (
    "docker_sd_configs", "kubernetes_sd_configs", "consul_sd_configs", "consulagent_sd_configs", "windows_events",
    "gcplog", "gelf", "cloudflare", "heroku_drain", "kafka", "azure_event_hubs", "couchdb", "dns_sd_configs",
    "ec2_sd_configs",
)  # fmt: skip
NOT_SUPPORTED = dict.fromkeys(
    _MISSING_SOURCES, "the embedded Promtail does not have this source; the real Promtail or Alloy does"
)


class Section(BaseModel):
    """A part of the file; a key that Promtail does not have is an error."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Server(Section):
    """``server``: the HTTP listener."""

    disable: bool = Field(False, description="Do not listen.")
    http_listen_address: str = Field("127.0.0.1", description="Address of the HTTP listener.")
    http_listen_port: int = Field(9080, description="Port of the HTTP listener; 0 takes a free one.")
    grpc_listen_address: str = Field("", description="Accepted and unused: Promtail has no gRPC API of its own.")
    grpc_listen_port: int = Field(0, description="Accepted and unused, as grpc_listen_address.")
    log_level: str = Field("info", description="Level of Promtail's own log: debug, info, warn or error.")
    log_format: str = Field("logfmt", description="Accepted; the log is always one JSON object a line.")
    graceful_shutdown_timeout: Seconds = Field(30.0, description="How long a stop may take.")
    http_server_read_timeout: Seconds = Field(30.0, description="Accepted; the listener's own limits hold.")
    http_server_write_timeout: Seconds = Field(30.0, description="Accepted; the listener's own limits hold.")
    register_instrumentation: bool = Field(True, description="Accepted; /metrics is always there.")
    enable_runtime_reload: bool = Field(False, description="Allow POST /reload to read the file again.")
    external_url: str = Field("", description="Accepted and unused.")
    health_check_target: bool = Field(True, description="/ready needs at least one active target.")


class Positions(Section):
    """``positions``: where reading goes on after a restart."""

    filename: Path = Field(Path("/var/log/positions.yaml"), description="The positions file.")
    sync_period: Seconds = Field(10.0, description="How often it is written.")
    ignore_invalid_yaml: bool = Field(False, description="Start anew when the file is damaged.")


class Backoff(Section):
    """``backoff_config``: waits between tries of a push."""

    min_period: Seconds = Field(0.5, description="First wait.")
    max_period: Seconds = Field(300.0, description="Longest wait.")
    max_retries: int = Field(10, description="Tries before a batch is given up; 0 tries for ever.")


class BasicAuth(Section):
    """``basic_auth``."""

    username: str = Field("", description="User name.")
    password: str = Field("", description="Password.")
    password_file: Path | None = Field(None, description="File that holds the password.")


class Tls(Section):
    """``tls_config`` of a client."""

    ca_file: Path | None = Field(None, description="Certificate authority to trust.")
    cert_file: Path | None = Field(None, description="Client certificate.")
    key_file: Path | None = Field(None, description="Key of the client certificate.")
    server_name: str = Field("", description="Name to expect in the server's certificate.")
    insecure_skip_verify: bool = Field(False, description="Do not check the server's certificate.")


class Client(Section):
    """One of ``clients``: a Loki to push to."""

    url: str = Field(description="Push address, such as http://loki:3100/loki/api/v1/push.")
    name: str = Field("", description="Name in metrics; the URL's host by default.")
    tenant_id: str = Field("", description="X-Scope-OrgID.")
    headers: Strings = Field(default_factory=dict, description="More headers.")
    batchwait: Seconds = Field(1.0, description="Send a batch at least this often.")
    batchsize: Size = Field(1_048_576, description="Send a batch of this many bytes.")
    basic_auth: BasicAuth | None = Field(None, description="Basic authentication.")
    bearer_token: str = Field("", description="Bearer token.")
    bearer_token_file: Path | None = Field(None, description="File that holds the bearer token.")
    proxy_url: str = Field("", description="HTTP proxy.")
    tls_config: Tls | None = Field(None, description="TLS settings.")
    backoff_config: Backoff = Field(Backoff(), description="Waits between tries.")
    external_labels: Strings = Field(default_factory=dict, description="Labels added to every stream.")
    timeout: Seconds = Field(10.0, description="Longest a push may take.")
    drop_rate_limited_batches: bool = Field(False, description="Give up on 429 at once instead of trying again.")
    follow_redirects: bool = Field(True, description="Follow redirects.")


class Limits(Section):
    """``limits_config``."""

    readline_rate_enabled: bool = Field(False, description="Limit lines read a second.")
    readline_rate: float = Field(10_000, description="Lines a second.")
    readline_burst: int = Field(10_000, description="Lines at once.")
    readline_rate_drop: bool = Field(True, description="Drop what is over the rate instead of waiting.")
    max_streams: int = Field(0, description="Most streams at a time; 0 has no limit.")
    max_line_size: Size = Field(0, description="Longest line in bytes; 0 has no limit.")
    max_line_size_truncate: bool = Field(False, description="Cut longer lines instead of dropping them.")


class FileWatch(Section):
    """``global.file_watch_config``."""

    min_poll_frequency: Seconds = Field(0.25, description="How often files with news are looked at.")
    max_poll_frequency: Seconds = Field(0.25, description="How often quiet files are looked at.")


class Global(Section):
    """``global``."""

    file_watch_config: FileWatch = Field(FileWatch(), description="Polling of files.")


class TargetConfig(Section):
    """``target_config``."""

    sync_period: Seconds = Field(10.0, description="How often globs are expanded again.")
    stdin: bool = Field(False, description="Read standard input; set by -stdin.")


class Relabel(Section):
    """One of ``relabel_configs``, as in Prometheus."""

    source_labels: list[str] = Field(default_factory=list, description="Labels whose values are joined.")
    separator: str = Field(";", description="What joins them.")
    target_label: str = Field("", description="Label that is written.")
    regex: str = Field("(.*)", description="Anchored RE2 expression on the joined value.")
    modulus: int = Field(0, description="Modulus of hashmod.")
    replacement: str = Field("$1", description="What is written; $1 or ${name} are groups.")
    action: str = Field("replace", description="What is done on a match.")

    @field_validator("regex", "replacement", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> str:
        return str(value)


class StaticConfig(Section):
    """One of ``static_configs``: labels, ``__path__`` and ``__path_exclude__`` among them."""

    targets: list[str] = Field(default_factory=list, description="Accepted; only local files are read.")
    labels: Strings = Field(default_factory=dict, description="Labels; __path__ is the glob.")


class FileSd(Section):
    """One of ``file_sd_configs``."""

    files: list[str] = Field(description="Globs of JSON or YAML files with static configurations.")
    refresh_interval: Seconds = Field(300.0, description="How often they are read again.")


class Journal(Section):
    """``journal``."""

    json_: bool = Field(False, alias="json", description="The line is the whole entry as JSON.")
    max_age: Seconds = Field(25_200.0, description="How far back a first start reads.")
    labels: Strings = Field(default_factory=dict, description="Labels of every entry.")
    path: str = Field("", description="Folder of the journal.")
    matches: str = Field("", description="Matches such as _SYSTEMD_UNIT=ssh.service, blank between.")


class Syslog(Section):
    """``syslog``: a receiver for RFC 5424 (or 3164) messages."""

    listen_address: str = Field("127.0.0.1:1514", description="host:port.")
    listen_protocol: str = Field("tcp", description="tcp or udp.")
    idle_timeout: Seconds = Field(120.0, description="Close a quiet connection after this.")
    label_structured_data: bool = Field(False, description="Offer structured data as labels.")
    labels: Strings = Field(default_factory=dict, description="Labels of every message.")
    use_incoming_timestamp: bool = Field(False, description="Keep the message's time.")
    use_rfc5424_message: bool = Field(False, description="The line is the whole message.")
    syslog_format: str = Field("rfc5424", description="rfc5424 or rfc3164.")
    max_message_length: Size = Field(8192, description="Longest message in bytes.")
    tls_config: Tls | None = Field(None, description="TLS of the receiver (cert_file, key_file, ca_file).")


class PushServer(Section):
    """``loki_push_api``: a receiver of pushes."""

    server: Server = Field(Server(http_listen_port=3500), description="Its listener.")
    labels: Strings = Field(default_factory=dict, description="Labels added to every stream.")
    use_incoming_timestamp: bool = Field(False, description="Keep the entries' times.")


class Decompression(Section):
    """``decompression``."""

    enabled: bool = Field(False, description="The files are compressed.")
    initial_delay: Seconds = Field(0.0, description="Wait before reading a new file.")
    format: str = Field("gz", description="gz, z or bz2; empty goes by the file's ending.")


class Scrape(Section):
    """One of ``scrape_configs``."""

    job_name: str = Field(description="Name; the label job where nothing else sets it.")
    pipeline_stages: list[dict[str, Any]] = Field(default_factory=list, description="Stages in order.")
    static_configs: list[StaticConfig] = Field(default_factory=list, description="Files by glob.")
    file_sd_configs: list[FileSd] = Field(default_factory=list, description="Files named by files.")
    relabel_configs: list[Relabel] = Field(default_factory=list, description="Relabelling of targets.")
    journal: Journal | None = Field(None, description="Read the systemd journal.")
    syslog: Syslog | None = Field(None, description="Receive syslog.")
    loki_push_api: PushServer | None = Field(None, description="Receive pushes.")
    encoding: str = Field("", description="Encoding of the files (IANA name); UTF-8 by default.")
    decompression: Decompression | None = Field(None, description="The files are compressed.")


class PromtailSettings(Section):
    """The whole file."""

    server: Server = Field(Server(), description="HTTP listener.")
    client: Client | None = Field(None, description="Older form of clients with one entry.")
    clients: list[Client] = Field(default_factory=list, description="Where entries go.")
    positions: Positions = Field(Positions(), description="Positions file.")
    scrape_configs: list[Scrape] = Field(default_factory=list, description="What is read and how.")
    limits_config: Limits = Field(Limits(), description="Limits.")
    target_config: TargetConfig = Field(TargetConfig(), description="Discovery.")
    global_: Global = Field(Global(), alias="global", description="Polling.")
    options: dict[str, Any] = Field(default_factory=dict, description="stream_lag_labels; accepted.")
    tracing: dict[str, Any] = Field(default_factory=dict, description="Accepted; OTEL_* variables decide.")

    @property
    def all_clients(self) -> list[Client]:
        """``client`` and ``clients`` together."""
        return ([self.client] if self.client else []) + self.clients


def load(path: Path, *, expand: bool) -> PromtailSettings:
    """Read ``promtail.yml``; raises :class:`ConfigError` naming file, key and fault."""
    data = load_yaml(path, expand=expand)
    for number, scrape in enumerate(data.get("scrape_configs") or []):
        for key in scrape if isinstance(scrape, dict) else ():
            if key in NOT_SUPPORTED:
                raise ConfigError(f"{path}: scrape_configs[{number}].{key}: {NOT_SUPPORTED[key]}")
    try:
        return PromtailSettings.model_validate(data)
    except ValidationError as error:
        faults = "; ".join(f"{_place(fault['loc'])}: {_words(fault['type'], fault['msg'])}" for fault in error.errors())
        raise ConfigError(f"{path}: {faults}") from error


def _place(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")


def _words(kind: str, message: str) -> str:
    return "field not found: Promtail has no such key" if kind == "extra_forbidden" else message
