# What scripts do with Wine, which runs programs for Windows; they read this file with `source`.
# shellcheck shell=bash

# begin_wine FOLDER: makes a Windows in this folder, and sets the environment so that `wine` uses it.
begin_wine() {
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

# Ends all that runs in this Windows.
end_wine() {
    [[ -z ${WINEPREFIX:-} || ! -d $WINEPREFIX ]] || wineserver --kill || true
}
