#!/usr/bin/env bash
# Makes the virtual environment when there is none (or when its pins changed), then hands over to `pytake "$@"`.
# PYTAKE_SETUP=dev installs the development tools too (make setup). Nothing here needs a network on a second run.
set -euo pipefail

root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
venv="$root/.venv"
kind=${PYTAKE_SETUP:-runtime}

say() { printf '\033[2m%s\033[0m\n' "$*" >&2; }
die() {
  printf 'deploy-with-monitoring: %s\n' "$*" >&2
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    die "'$*' needs root and there is no sudo. As root, type: apt-get install -y sudo python3-venv; or run this script as root."
  fi
}

# A Python that is new enough and can make a virtual environment with pip in it.
usable_python() {
  local candidate
  for candidate in python3 python3.11 python3.12 python3.13 python3.14 /usr/bin/python3; do
    if command -v "$candidate" >/dev/null &&
      "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return 0
    fi
  done
  return 1
}

ensure_python() {
  local log
  usable_python && return 0
  command -v apt-get >/dev/null ||
    die "Python 3.11 or newer with venv is missing and this system has no apt-get. Install Python >= 3.11 and run this again."
  say "Installing python3-venv"
  log=$(mktemp)
  { as_root apt-get -qq update && as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
    python3 python3-venv ca-certificates; } >"$log" 2>&1 || {
    tail -n 15 "$log" >&2
    die "python3-venv could not be installed (see above). Type: sudo apt-get update && sudo apt-get install -y python3-venv"
  }
  rm -f "$log"
  usable_python || die "Python here is older than 3.11 (Debian 12 has 3.11). Install a newer one and run this again."
}

stamp_of() { cat "$root/requirements/bootstrap.txt" "$root/requirements/$1.txt" "$root/pyproject.toml" | sha256sum | cut -d' ' -f1; }

current() {
  [ -x "$venv/bin/pytake" ] && [ "$(cat "$venv/.stamp-$1" 2>/dev/null)" = "$(stamp_of "$1")" ]
}

install() {
  local python
  local -a uv=("$venv/bin/uv" pip install --python "$venv/bin/python")
  # uv brings its own certificates; the system's know a company's proxy too.
  [ -s /etc/ssl/certs/ca-certificates.crt ] && uv+=(--system-certs)
  if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -c '' 2>/dev/null; then
    python=$(ensure_python)
    say "Making .venv with $python"
    "$python" -m venv --clear "$venv" || die "'$python -m venv $venv' failed. Type: sudo apt-get install -y python3-venv"
  fi
  say "Installing the pinned packages ($kind); the first time takes a minute or two"
  "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$root/requirements/bootstrap.txt" ||
    die "pip could not install uv. Check the network or proxy settings (pip config list), then run this again."
  "${uv[@]}" --require-hashes -r "$root/requirements/$kind.txt" >&2 ||
    die "the packages of requirements/$kind.txt could not be installed (see above). Run this again; it goes on where it stopped."
  "${uv[@]}" -q --no-deps --no-build-isolation -e "$root" >&2 ||
    die "the project itself could not be installed into $venv. Remove that folder and run this again."
  stamp_of "$kind" >"$venv/.stamp-$kind"
  [ "$kind" = runtime ] || stamp_of runtime >"$venv/.stamp-runtime"
}

main() {
  if ! current "$kind"; then
    [ -w "$root" ] || die "$root is not writable by $(id -un). Clone it to a folder of your own or run this as its owner."
    exec 9>"$root/.install-stamp.lock"
    if command -v flock >/dev/null; then flock 9; fi
    current "$kind" || install
    exec 9>&-
  fi
  [ "${1-}" = --setup-only ] && return 0
  cd -- "$root"
  exec "$venv/bin/pytake" "$@"
}

main "$@"
