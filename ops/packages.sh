# packages.sh -- what the project needs from Debian 12, and how it gets there. Sourced by ops/run and
# ops/test: packages_install NAME... installs what is missing, with sudo when not root, asking nothing.

PACKAGES_RUN="meson ninja-build gcc pkg-config liburing-dev libck-dev libjemalloc-dev libyaml-dev
              libmicrohttpd-dev android-libboringssl-dev libsodium-dev libcrypt-dev
              libpcre2-dev libcurl4-openssl-dev libjansson-dev libhttp-parser-dev"
PACKAGES_TEST="libcmocka-dev python3 mosquitto mosquitto-clients python3-paho-mqtt libpaho-mqtt-dev
               nodejs clang-format prometheus openssl curl"
PACKAGES_LONG="npm chromium libclang-rt-14-dev clang g++ libbenchmark-dev"

packages_missing() {
    for package in "$@"; do
        # A program that is there by other means (a newer node, say) is as good as the package.
        case $package in
        nodejs) command -v node >/dev/null 2>&1 && continue ;;
        npm) command -v npm >/dev/null 2>&1 && continue ;;
        chromium) command -v chromium >/dev/null 2>&1 && continue ;;
        esac
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
        *"ok installed") ;;
        *) printf '%s ' "$package" ;;
        esac
    done
}

packages_install() {
    missing=$(packages_missing "$@")
    [ -z "$missing" ] && return 0
    as_root=
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "missing packages: $missing(install them as root, or install sudo)" >&2
            return 1
        fi
        as_root=sudo
    fi
    echo "installing: $missing" >&2
    $as_root apt-get -qq update >&2
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install -y --no-install-recommends $missing >&2
}
