# For script/test and script/demo, which source it. Works in the folder that they are in.

PYTHON=${PYTHON:-python3}

# As root on a system that has apt: installs packages, each for itself. Elsewhere it does nothing.
apt_install() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 0
    apt-get update -qq || return 0
    for package in "$@"; do
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "$package" >/dev/null || true
    done
}

"$PYTHON" -c 'import ensurepip' 2>/dev/null || apt_install python3-venv # Debian packs it apart

# make_environment FOLDER PIP-ARGUMENTS: a virtual environment with what the arguments ask for.
# It is made anew when the interpreter, the place or what is to be installed has changed.
make_environment() {
    local folder=$1 made_for
    shift
    made_for=$("$PYTHON" -VV && pwd && echo "$@" && cat pyproject.toml tests/lowest.txt)
    [ "$(cat "$folder/made-for" 2>/dev/null)" = "$made_for" ] && return
    echo "Setting up $folder"
    "$PYTHON" -m venv --clear "$folder"
    "$folder/bin/python" -m pip install --quiet --upgrade pip # older ones know no --group
    "$folder/bin/python" -m pip install --quiet --quiet "$@" # twice: no hints about editable installs
    echo "$made_for" >"$folder/made-for"
}
