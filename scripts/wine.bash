# What scripts do with Wine, which runs programs for Windows; they read this file with `source`. It needs a
# function `say` of the script.
# shellcheck shell=bash

# begin_wine FOLDER: makes a Windows in this folder, and sets the environment so that `wine` uses it. Fails,
# with a word about it, if Wine does not run.
begin_wine() {
    start_wine "$1" || { say "Wine does not run here"; return 1; }
}

start_wine() {
    export WINEPREFIX=$1 WINEDEBUG=-all WINEDLLOVERRIDES="mscoree=;mshtml=;winemenubuilder.exe="
    # Nothing of this may keep the caller's output open: Wine's services outlive the call.
    wine wineboot --init >/dev/null 2>&1 && wineserver --wait || return 1
    # Otherwise Wine's server ends some seconds after the last program, and a new one may just find it ending.
    wineserver --persistent || return 1
    # Rust's standard library takes its random numbers from this library, which Wine 8 lacks.
    local library=$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll
    [[ -e $library ]] || x86_64-w64-mingw32-gcc -shared -x c -o "$library" - -ladvapi32 <<'C'
#include <windows.h>
#include <ntsecapi.h>

BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size)
{
    return RtlGenRandom(data, size);
}
C
}

# end_wine FOLDER: ends all that runs in this Windows, if it was begun.
end_wine() {
    [[ ! -d $1 ]] || WINEPREFIX=$1 wineserver --kill || true
}
