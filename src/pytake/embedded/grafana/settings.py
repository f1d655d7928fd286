"""Settings of the embedded Grafana: the ``GF_<SECTION>_<KEY>`` variables of the real one, as far as they apply."""

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

FIRST_PASSWORD = "admin123"  # noqa: S105 (the documented default)


class GrafanaSettings(BaseSettings):
    """What the embedded Grafana reads from its environment."""

    model_config = SettingsConfigDict(env_prefix="GF_", extra="ignore", env_ignore_empty=True)

    server_http_addr: str = Field("127.0.0.1", description="Address that Grafana listens on.")
    server_http_port: int = Field(3000, ge=0, le=65535, description="Port that Grafana listens on; 0 takes a free one.")
    server_root_url: str = Field("", description="Address that people open; decides whether cookies need TLS.")
    paths_data: Path = Field(Path("var/grafana"), description="Folder of Grafana's state (SQLite).")
    paths_provisioning: Path = Field(
        Path("monitoring/grafana/provisioning"), description="Folder of provisioned data sources and dashboards."
    )
    security_admin_user: str = Field("admin", description="Login of the first administrator.")
    security_admin_password: SecretStr = Field(
        SecretStr(FIRST_PASSWORD), description="First password of the administrator; later changes in Grafana win."
    )
    security_cookie_secure: bool = Field(False, description="Send the session cookie over TLS only.")
    security_force_password_change: bool | None = Field(
        None,
        description="Ask for a new password at the first login with the initial one; "
        "empty: in production, when it is still the default one.",
    )
    environment: str = Field(
        "", validation_alias="PYTAKE_ENVIRONMENT", description="The environment; `production` asks for more."
    )
    auth_login_maximum_lifetime_hours: float = Field(24 * 30, gt=0, description="Hours after which a login ends.")
    dashboards_default_home_dashboard_path: Path | None = Field(
        None, description="Dashboard file that is shown as the home page."
    )
    rendering_concurrent_render_request_limit: int = Field(2, ge=1, description="Pictures that are drawn at a time.")
    rendering_chromium_path: Path | None = Field(
        None, description="Chromium that draws pictures; empty: the one in PATH, else playwright's own."
    )
    query_timeout_seconds: float = Field(30.0, gt=0, description="Seconds after which a data source is given up.")
    grafana_com_api_url: str = Field(
        "https://grafana.com/api", description="Catalogue that dashboards are imported from by number; empty: none."
    )
    outside_timeout_seconds: float = Field(8.0, gt=0, description="Seconds after which that catalogue is given up.")

    @property
    def first_password_must_change(self) -> bool:
        """Whether the administrator's first login has to choose another password."""
        if self.security_force_password_change is not None:
            return self.security_force_password_change
        return self.environment == "production" and self.security_admin_password.get_secret_value() == FIRST_PASSWORD
