//! SpanDSP 0.0.6 (`libspandsp.so.2`), opened at run time: the few functions of it that a fax needs.
//!
//! The only unsafe code of this crate. It runs in a helper process alone, which has one fax and one thread: what goes wrong
//! here ends that.
#![allow(unsafe_code)]

use crate::wire::{FRAME, Job};
use core::ffi::{CStr, c_char, c_int, c_void};
use libloading::Library;
use std::collections::VecDeque;
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

/// The library's names, the likeliest first.
const NAMES: [&str; 2] = ["libspandsp.so.2", "libspandsp.so"];
/// `T4_COMPRESSION_ITU_T6`: how pages are kept.
const KEPT_IN: c_int = 3;
/// `T30_SUPPORT_V27TER | V29 | V17`.
const MODEMS: c_int = 1 | 2 | 4;
/// `T30_SUPPORT_T4_1D | T4_2D | T6`.
const COMPRESSIONS: c_int = 2 | 4 | 8;
/// `T30_SUPPORT_STANDARD | FINE | SUPERFINE | R8 | R16`.
const RESOLUTIONS: c_int = 1 | 2 | 4 | 0x2_0000 | 0x4_0000;
/// `T30_SUPPORT_215MM | 255MM | 303MM | UNLIMITED | A4 | B4 | US_LETTER | US_LEGAL`.
const SIZES: c_int = 1 | 2 | 4 | 0x1_0000 | 0x2_0000 | 0x4_0000 | 0x8_0000 | 0x10_0000;
/// `MODEM_CONNECT_TONES_FAX_CNG`.
const CNG: c_int = 1;

type State = *mut c_void;
type Packet = unsafe extern "C" fn(State, *mut c_void, *const u8, c_int, c_int) -> c_int;
type Phase = unsafe extern "C" fn(State, *mut c_void, c_int) -> c_int;
type End = unsafe extern "C" fn(State, *mut c_void, c_int);

/// The functions, each with its C declaration's type.
struct Functions {
    fax_init: unsafe extern "C" fn(State, c_int) -> State,
    fax_free: unsafe extern "C" fn(State) -> c_int,
    fax_rx: unsafe extern "C" fn(State, *mut i16, c_int) -> c_int,
    fax_tx: unsafe extern "C" fn(State, *mut i16, c_int) -> c_int,
    fax_idle: unsafe extern "C" fn(State, c_int),
    fax_t30: unsafe extern "C" fn(State) -> State,
    t38_init: unsafe extern "C" fn(State, c_int, Packet, *mut c_void) -> State,
    t38_free: unsafe extern "C" fn(State) -> c_int,
    t38_tick: unsafe extern "C" fn(State, c_int) -> c_int,
    t38_t30: unsafe extern "C" fn(State) -> State,
    t38_core: unsafe extern "C" fn(State) -> State,
    t38_packet: unsafe extern "C" fn(State, *const u8, c_int, u16) -> c_int,
    t38_version: unsafe extern "C" fn(State, c_int),
    terminate: unsafe extern "C" fn(State),
    set_ident: unsafe extern "C" fn(State, *const c_char) -> c_int,
    set_header: unsafe extern "C" fn(State, *const c_char) -> c_int,
    set_rx_file: unsafe extern "C" fn(State, *const c_char, c_int),
    set_tx_file: unsafe extern "C" fn(State, *const c_char, c_int, c_int),
    set_ecm: unsafe extern "C" fn(State, c_int) -> c_int,
    set_encoding: unsafe extern "C" fn(State, c_int) -> c_int,
    set_modems: unsafe extern "C" fn(State, c_int) -> c_int,
    set_compressions: unsafe extern "C" fn(State, c_int) -> c_int,
    set_resolutions: unsafe extern "C" fn(State, c_int) -> c_int,
    set_sizes: unsafe extern "C" fn(State, c_int) -> c_int,
    phase_d: unsafe extern "C" fn(State, Phase, *mut c_void),
    phase_e: unsafe extern "C" fn(State, End, *mut c_void),
    rx_ident: unsafe extern "C" fn(State) -> *const c_char,
    text: unsafe extern "C" fn(c_int) -> *const c_char,
    tone_init: unsafe extern "C" fn(State, c_int, *const c_void, *mut c_void) -> State,
    tone_rx: unsafe extern "C" fn(State, *const i16, c_int) -> c_int,
    tone_get: unsafe extern "C" fn(State) -> c_int,
    tone_free: unsafe extern "C" fn(State) -> c_int,
}

/// The library, open.
pub(crate) struct Spandsp {
    is: Functions,
    _library: Library,
}

impl core::fmt::Debug for Spandsp {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Spandsp")
    }
}

impl Spandsp {
    /// Opens it.
    ///
    /// # Errors
    /// It is not installed, or lacks a function.
    pub(crate) fn open() -> Result<Spandsp, String> {
        let missing = || "SpanDSP is not installed (Debian package libspandsp2)".to_owned();
        // SAFETY: the library's constructors only fill tables.
        let opened = NAMES.iter().find_map(|name| unsafe { Library::new(*name) }.ok());
        let library = opened.ok_or_else(missing)?;
        macro_rules! find {
            ($name:literal) => {{
                // SAFETY: each field's type is that of the C declaration of this name in SpanDSP 0.0.6 (soname 2).
                let symbol = unsafe { library.get(concat!($name, "\0").as_bytes()) };
                *symbol.map_err(|error| format!("SpanDSP is another one: {error}"))?
            }};
        }
        let is = Functions {
            fax_init: find!("fax_init"),
            fax_free: find!("fax_free"),
            fax_rx: find!("fax_rx"),
            fax_tx: find!("fax_tx"),
            fax_idle: find!("fax_set_transmit_on_idle"),
            fax_t30: find!("fax_get_t30_state"),
            t38_init: find!("t38_terminal_init"),
            t38_free: find!("t38_terminal_free"),
            t38_tick: find!("t38_terminal_send_timeout"),
            t38_t30: find!("t38_terminal_get_t30_state"),
            t38_core: find!("t38_terminal_get_t38_core_state"),
            t38_packet: find!("t38_core_rx_ifp_packet"),
            t38_version: find!("t38_set_t38_version"),
            terminate: find!("t30_terminate"),
            set_ident: find!("t30_set_tx_ident"),
            set_header: find!("t30_set_tx_page_header_info"),
            set_rx_file: find!("t30_set_rx_file"),
            set_tx_file: find!("t30_set_tx_file"),
            set_ecm: find!("t30_set_ecm_capability"),
            set_encoding: find!("t30_set_rx_encoding"),
            set_modems: find!("t30_set_supported_modems"),
            set_compressions: find!("t30_set_supported_compressions"),
            set_resolutions: find!("t30_set_supported_resolutions"),
            set_sizes: find!("t30_set_supported_image_sizes"),
            phase_d: find!("t30_set_phase_d_handler"),
            phase_e: find!("t30_set_phase_e_handler"),
            rx_ident: find!("t30_get_rx_ident"),
            text: find!("t30_completion_code_to_str"),
            tone_init: find!("modem_connect_tones_rx_init"),
            tone_rx: find!("modem_connect_tones_rx"),
            tone_get: find!("modem_connect_tones_rx_get"),
            tone_free: find!("modem_connect_tones_rx_free"),
        };
        Ok(Spandsp { is, _library: library })
    }
}

/// What SpanDSP tells while it runs.
#[derive(Debug, Default)]
struct Told {
    /// Packets of T.38, and how often each goes out.
    packets: VecDeque<(Vec<u8>, usize)>,
    pages: u32,
    over: Option<c_int>,
}

unsafe extern "C" fn on_packet(_core: State, told: *mut c_void, bytes: *const u8, len: c_int, count: c_int) -> c_int {
    let len = usize::try_from(len).unwrap_or(0);
    if bytes.is_null() || told.is_null() {
        return -1;
    }
    // SAFETY: `told` is the box of the session that this handler was given to, which outlives it, and nothing else reaches
    // into it while SpanDSP runs; the bytes are SpanDSP's own, so many of them.
    let (told, bytes) = unsafe { (&mut *told.cast::<Told>(), core::slice::from_raw_parts(bytes, len)) };
    told.packets.push_back((bytes.to_vec(), usize::try_from(count).unwrap_or(1).clamp(1, 4)));
    0
}

unsafe extern "C" fn on_page(_t30: State, told: *mut c_void, _result: c_int) -> c_int {
    if !told.is_null() {
        // SAFETY: as in `on_packet`.
        let told = unsafe { &mut *told.cast::<Told>() };
        told.pages += 1;
    }
    0
}

unsafe extern "C" fn on_end(_t30: State, told: *mut c_void, code: c_int) {
    if !told.is_null() {
        // SAFETY: as in `on_packet`.
        let told = unsafe { &mut *told.cast::<Told>() };
        told.over.get_or_insert(code);
    }
}

/// One machine: a fax of sound or by T.38.
///
/// # Invariants
/// `of` outlives the states, which are live the session is dropped, and `told` does not move while it is.
#[derive(Debug)]
pub(crate) struct Terminal {
    of: Arc<Spandsp>,
    t38: bool,
    state: State,
    tones: State,
    told: *mut Told,
}

impl Terminal {
    /// A machine that begins now.
    ///
    /// # Errors
    /// It has no memory, or the job's words hold a zero.
    pub(crate) fn new(of: &Arc<Spandsp>, job: &Job, t38: bool) -> Result<Terminal, String> {
        let calling = c_int::from(job.send);
        let told = Box::into_raw(Box::<Told>::default());
        let is = &of.is;
        // SAFETY: a null state is allocated by SpanDSP; `told` lives as long as the session.
        let (state, tones) = unsafe {
            let state = if t38 {
                (is.t38_init)(core::ptr::null_mut(), calling, on_packet, told.cast())
            } else {
                (is.fax_init)(core::ptr::null_mut(), calling)
            };
            (state, (is.tone_init)(core::ptr::null_mut(), CNG, core::ptr::null(), core::ptr::null_mut()))
        };
        let session = Terminal { of: Arc::clone(of), t38, state, tones, told };
        if state.is_null() || tones.is_null() {
            return Err("SpanDSP has no memory for a fax".to_owned());
        }
        session.set(job)?;
        Ok(session)
    }

    fn set(&self, job: &Job) -> Result<(), String> {
        let text = |text: &str| CString::new(text).map_err(|_| "a zero in the fax's words".to_owned());
        let (ident, header) = (text(&job.ident)?, text(&job.header)?);
        let file = CString::new(job.file.as_os_str().as_bytes()).map_err(|_| "a zero in a file's name".to_owned())?;
        let (is, t30) = (&self.of.is, self.t30());
        // SAFETY: the states are live, and SpanDSP copies the words.
        unsafe {
            if self.t38 {
                (is.t38_version)((is.t38_core)(self.state), 0);
            } else {
                (is.fax_idle)(self.state, 1);
            }
            (is.set_ident)(t30, ident.as_ptr());
            if !job.header.is_empty() {
                (is.set_header)(t30, header.as_ptr());
            }
            (is.set_modems)(t30, MODEMS);
            (is.set_compressions)(t30, COMPRESSIONS);
            (is.set_resolutions)(t30, RESOLUTIONS);
            (is.set_sizes)(t30, SIZES);
            (is.set_ecm)(t30, c_int::from(job.ecm));
            (is.set_encoding)(t30, KEPT_IN);
            if job.send {
                (is.set_tx_file)(t30, file.as_ptr(), -1, -1);
            } else {
                (is.set_rx_file)(t30, file.as_ptr(), c_int::try_from(job.pages_max).unwrap_or(c_int::MAX));
            }
            (is.phase_d)(t30, on_page, self.told.cast());
            (is.phase_e)(t30, on_end, self.told.cast());
        }
        Ok(())
    }

    fn t30(&self) -> State {
        // SAFETY: the state is live.
        unsafe { if self.t38 { (self.of.is.t38_t30)(self.state) } else { (self.of.is.fax_t30)(self.state) } }
    }

    /// Whether it goes by T.38.
    pub(crate) const fn is_t38(&self) -> bool {
        self.t38
    }

    /// Hears 20 ms and says as much. Longer frames are cut, shorter ones end in silence.
    pub(crate) fn sound(&mut self, heard: &[i16]) -> [i16; FRAME] {
        let (mut frame, mut said) = ([0; FRAME], [0; FRAME]);
        frame.iter_mut().zip(heard).for_each(|(to, from)| *to = *from);
        if self.t38 {
            return said;
        }
        let len = c_int::try_from(FRAME).unwrap_or(0);
        // SAFETY: the states are live, and both arrays have so many samples.
        unsafe {
            (self.of.is.tone_rx)(self.tones, frame.as_ptr(), len);
            (self.of.is.fax_rx)(self.state, frame.as_mut_ptr(), len);
            (self.of.is.fax_tx)(self.state, said.as_mut_ptr(), len);
        }
        said
    }

    /// Whether the tone of a calling machine was heard since it was asked last.
    pub(crate) fn heard_cng(&mut self) -> bool {
        // SAFETY: the state is live.
        unsafe { (self.of.is.tone_get)(self.tones) == CNG }
    }

    /// 20 ms have passed.
    pub(crate) fn tick(&mut self) {
        if self.t38 {
            // SAFETY: the state is live.
            unsafe { (self.of.is.t38_tick)(self.state, c_int::try_from(FRAME).unwrap_or(0)) };
        }
    }

    /// A packet of T.38 has come.
    pub(crate) fn packet(&mut self, sequence: u16, packet: &[u8]) {
        let Ok(len) = c_int::try_from(packet.len()) else { return };
        if self.t38 {
            // SAFETY: the state is live, and the packet has so many bytes.
            unsafe { (self.of.is.t38_packet)((self.of.is.t38_core)(self.state), packet.as_ptr(), len, sequence) };
        }
    }

    /// The next packet to send, and how often.
    pub(crate) fn next_packet(&mut self) -> Option<(Vec<u8>, usize)> {
        // SAFETY: SpanDSP does not run now.
        unsafe { &mut *self.told }.packets.pop_front()
    }

    /// Pages that have passed.
    pub(crate) fn pages(&self) -> u32 {
        // SAFETY: SpanDSP does not run now.
        unsafe { &*self.told }.pages
    }

    /// The code that it ended with.
    pub(crate) fn over(&self) -> Option<i32> {
        // SAFETY: SpanDSP does not run now.
        unsafe { &*self.told }.over
    }

    /// The call is gone.
    pub(crate) fn terminate(&mut self) {
        // SAFETY: the state is live.
        unsafe { (self.of.is.terminate)(self.t30()) };
    }

    /// A code in words.
    pub(crate) fn text(&self, code: i32) -> String {
        // SAFETY: what is given is a constant of the library.
        unsafe { words((self.of.is.text)(code)) }
    }

    /// What the other machine calls itself.
    pub(crate) fn remote(&self) -> String {
        // SAFETY: the state is live, and the words are copied at once.
        unsafe { words((self.of.is.rx_ident)(self.t30())) }.trim().to_owned()
    }
}

/// # Safety
/// The words end with a zero, or there are none.
unsafe fn words(at: *const c_char) -> String {
    if at.is_null() {
        return String::new();
    }
    // SAFETY: the caller's.
    unsafe { CStr::from_ptr(at) }.to_string_lossy().into_owned()
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // SAFETY: made in `new`, and freed once; the file of pages is closed with the state.
        unsafe {
            if !self.tones.is_null() {
                (self.of.is.tone_free)(self.tones);
            }
            if !self.state.is_null() {
                let free = if self.t38 { self.of.is.t38_free } else { self.of.is.fax_free };
                free(self.state);
            }
            drop(Box::from_raw(self.told));
        }
    }
}
