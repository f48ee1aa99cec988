#!/usr/bin/env bash
# Debian's Chromium and Firefox, for the tests that open pages; what is there already is left alone.
#   scripts/install-browsers.sh            both
#   scripts/install-browsers.sh chromium   only the one
# It never fails: where a browser cannot be installed it says so, and the tests that need one say that they were left out.
set -u

has() {
  case "$1" in
    chromium) [ -n "${CHROMIUM:-}" ] || command -v chromium chromium-browser google-chrome google-chrome-stable ;;
    firefox) [ -n "${FIREFOX:-}" ] || command -v firefox-esr firefox ;;
    *) echo "install-browsers: there is no browser called $1; there are chromium and firefox" >&2 && exit 2 ;;
  esac >/dev/null
}

missing=()
for name in "${@:-chromium firefox}"; do
  for one in $name; do
    has "$one" || missing+=("$one")
  done
done
[ ${#missing[@]} -eq 0 ] && exit 0

packages=("${missing[@]/#firefox/firefox-esr}")
as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    as_root=(sudo -n)
  else
    echo "install-browsers: not root, so not installed: ${packages[*]} (apt-get install -y ${packages[*]})" >&2
    exit 0
  fi
fi
if ! command -v apt-get >/dev/null; then
  echo "install-browsers: no apt-get here, so not installed: ${missing[*]}" >&2
  exit 0
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 "$@" >>"$log" 2>&1
}
for package in "${packages[@]}"; do
  # The lists of packages may be missing or old: then they are fetched, and it is tried again.
  apt install -y --no-install-recommends "$package" || { apt update && apt install -y --no-install-recommends "$package"; } || {
    echo "install-browsers: $package could not be installed; the end of what apt-get said:" >&2
    tail -n 5 "$log" >&2
  }
done
exit 0
