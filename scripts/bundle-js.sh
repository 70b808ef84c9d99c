#!/usr/bin/env bash
# Bundles xterm.js and its addons for the viewer: viewer-web/js/term.bundle.js and xterm.css.
# Trunk runs it before every build; it does nothing unless its inputs changed.
set -euo pipefail
cd "$(dirname "$0")/../viewer-web"

outputs=(js/term.bundle.js js/xterm.css)
inputs=(package.json package-lock.json js/term.js js/film.js js/bundle.mjs ../scripts/bundle-js.sh)
stamp=js/.bundle-stamp

sum=$(sha256sum "${inputs[@]}" | sha256sum)
have_outputs() { for f in "${outputs[@]}"; do [[ -s $f ]] || return 1; done; }
if have_outputs && [[ -f $stamp && $(<"$stamp") == "$sum" ]]; then exit 0; fi

npm ci --no-audit --no-fund --ignore-scripts --loglevel=error
npm run --silent bundle
cp node_modules/@xterm/xterm/css/xterm.css js/xterm.css
echo "$sum" > "$stamp"
