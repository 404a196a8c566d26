"""A PJSIP phone (pjsua2) told what to do by the test that started it (../src/pjsip.rs).

Started with one argument, the JSON of its settings (see SETTINGS). Standard input takes commands, one JSON object a line:
{"id", "verb", ...}. Standard output gives answers {"id", "value"} or {"id", "error"} and events {"kind", ...}, in order.
Its sound device is a clock that hears nothing: what it says is a file played over and over, what it hears of call N is
heard-N.wav in its folder. Everything happens on this thread, so that no event comes between a command and its answer.
"""

import functools
import json
import os
import select
import sys
import traceback
import uuid

import pjsua2 as pj

SETTINGS = {
    "dir": None,  # where its recordings and its log go
    "plays": None,  # a WAV file
    "rate": 8000,  # of its sound, in Hz
    "user": None,
    "password": None,
    "domain": None,
    "server": None,  # HOST:PORT
    "transport": "udp",  # udp, tcp or tls
    "ca": "",  # a file: whom a TLS server's certificate is checked against
    "codecs": ["PCMU/8000", "PCMA/8000"],
    "srtp": "disabled",  # disabled, optional, mandatory
    "rel100": "off",  # off, optional, mandatory
    "timer": None,  # seconds of a session, RFC 4028; always asked for
    "mwi": False,
    "expires": 600,
    "media": None,  # {"port", "public"}: where its RTP is, and the address that it tells others
    "mute": False,  # sends no RTP
    "rewind": False,  # what it plays begins anew with each call
}

TRANSPORTS = {"udp": pj.PJSIP_TRANSPORT_UDP, "tcp": pj.PJSIP_TRANSPORT_TCP, "tls": pj.PJSIP_TRANSPORT_TLS}
SRTP = {"disabled": pj.PJMEDIA_SRTP_DISABLED, "optional": pj.PJMEDIA_SRTP_OPTIONAL, "mandatory": pj.PJMEDIA_SRTP_MANDATORY}
REL100 = {"off": pj.PJSUA_100REL_NOT_USED, "optional": pj.PJSUA_100REL_OPTIONAL, "mandatory": pj.PJSUA_100REL_MANDATORY}
INACTIVE = (pj.PJSUA_CALL_MEDIA_NONE, pj.PJSUA_CALL_MEDIA_ERROR)
MEDIA = {
    pj.PJSUA_CALL_MEDIA_NONE: "none",
    pj.PJSUA_CALL_MEDIA_ACTIVE: "active",
    pj.PJSUA_CALL_MEDIA_LOCAL_HOLD: "held",
    pj.PJSUA_CALL_MEDIA_REMOTE_HOLD: "held-by-remote",
    pj.PJSUA_CALL_MEDIA_ERROR: "error",
}


# PJLIB greets on standard output before it can be told not to.
OUT = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def say(**what):
    OUT.write(json.dumps(what) + "\n")
    OUT.flush()


def told(callback):
    """A callback whose failures are told: PJSIP would swallow them."""

    @functools.wraps(callback)
    def act(*arguments):
        try:
            callback(*arguments)
        except Exception as error:
            text = error.info() if isinstance(error, pj.Error) else traceback.format_exc()
            say(kind="broken", callback=callback.__name__, error=text)

    return act


class Call(pj.Call):
    """One call; `number` counts them from 0."""

    def __init__(self, phone, call_id=pj.PJSUA_INVALID_ID):
        pj.Call.__init__(self, phone.account, call_id)
        self.phone = phone
        self.number = len(phone.calls)
        self.recorder = None
        self.tones = None
        self.ended = False
        phone.calls.append(self)

    def tell(self, kind, **more):
        say(kind=kind, call=self.number, **more)

    @told
    def onCallState(self, prm):
        info = self.getInfo()
        state = info.stateText.lower()
        self.tell(state, status=info.lastStatusCode, reason=info.lastReason, remote=info.remoteUri)
        if info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.ended = True
            self.recorder = None  # its file is whole now

    @told
    def onCallMediaState(self, prm):
        # Held by its name: what is inside goes with it.
        info = self.getInfo()
        for media in info.media:
            if media.type != pj.PJMEDIA_TYPE_AUDIO:
                continue
            stream = {}
            if media.status not in INACTIVE:
                self.join(media.index)
                flow = self.getStreamInfo(media.index)
                stream = {"codec": flow.codecName, "rate": flow.codecClockRate}
            self.tell("media", state=MEDIA.get(media.status, "?"), **stream)

    def join(self, index):
        audio = self.getAudioMedia(index)
        if self.recorder is None and not self.ended:
            self.recorder = pj.AudioMediaRecorder()
            if self.phone.settings["rewind"]:
                self.phone.player.setPos(0)
            self.recorder.createRecorder(os.path.join(self.phone.settings["dir"], f"heard-{self.number}.wav"))
        self.phone.player.startTransmit(audio)
        audio.startTransmit(self.recorder)

    @told
    def onDtmfDigit(self, prm):
        method = "info" if prm.method == pj.PJSUA_DTMF_METHOD_SIP_INFO else "rfc4733"
        self.tell("digit", digit=prm.digit, method=method)

    @told
    def onCallTransferStatus(self, prm):
        self.tell("transfer", status=prm.statusCode, final=bool(prm.finalNotify))

    @told
    def onCallReplaced(self, prm):
        self.tell("replaced", by=prm.newCallId)

    @told
    def onCallTransferRequest(self, prm):
        prm.newCall = Call(self.phone)
        self.tell("refer", to=prm.dstUri, made=prm.newCall.number)

    @told
    def onCallReplaceRequest(self, prm):
        self.tell("replaces")

    @told
    def onCallTsxState(self, prm):
        event = prm.e.body.tsxState
        if event.type == pj.PJSIP_EVENT_RX_MSG:
            message = event.src.rdata.wholeMsg
        elif event.type == pj.PJSIP_EVENT_TX_MSG:
            message = event.src.tdata.wholeMsg
        else:
            return
        self.tell("passed", way="in" if event.type == pj.PJSIP_EVENT_RX_MSG else "out", message=message)


class Account(pj.Account):
    def __init__(self, phone):
        pj.Account.__init__(self)
        self.phone = phone

    @told
    def onRegState(self, prm):
        info = self.getInfo()
        say(kind="registration", status=prm.code, reason=prm.reason, expires=prm.expiration, active=info.regIsActive)

    @told
    def onIncomingCall(self, prm):
        call = Call(self.phone, prm.callId)
        info = call.getInfo()
        call.tell("rings", remote=info.remoteUri, message=prm.rdata.wholeMsg)
        if self.phone.settings["rel100"] == "off":
            answer = pj.CallOpParam()
            answer.statusCode = 180
            call.answer(answer)

    @told
    def onMwiInfo(self, prm):
        say(kind="mwi", message=prm.rdata.wholeMsg)

    @told
    def onInstantMessage(self, prm):
        say(kind="message", text=prm.msgBody, remote=prm.fromUri)

    @told
    def onInstantMessageStatus(self, prm):
        say(kind="sent", status=prm.code)


class Buddy(pj.Buddy):
    @told
    def onBuddyEvSubState(self, prm):
        event = prm.e.body.tsxState
        if prm.e.type == pj.PJSIP_EVENT_TSX_STATE and event.type == pj.PJSIP_EVENT_RX_MSG:
            say(kind="told", message=event.src.rdata.wholeMsg)

    @told
    def onBuddyState(self):
        info = self.getInfo()
        status = info.presStatus
        online = {pj.PJSUA_BUDDY_STATUS_ONLINE: True, pj.PJSUA_BUDDY_STATUS_OFFLINE: False}.get(status.status)
        say(kind="lamp", uri=info.uri, online=online, text=status.statusText, note=status.note, activity=status.activity,
            state=info.subStateName)


class Phone:
    def __init__(self, settings):
        self.settings = settings
        self.calls = []
        self.buddies = []
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        self.endpoint.libInit(self.configuration())
        transport = pj.TransportConfig()
        transport.port = 0
        transport.boundAddress = "127.0.0.1"
        if settings["transport"] == "tls":
            transport.tlsConfig.CaListFile = settings["ca"]
            transport.tlsConfig.verifyServer = True
            transport.tlsConfig.method = pj.PJSIP_TLSV1_2_METHOD
        self.endpoint.transportCreate(TRANSPORTS[settings["transport"]], transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        for codec in self.endpoint.codecEnum2():
            wanted = [n for n, name in enumerate(settings["codecs"]) if codec.codecId.startswith(name)]
            self.endpoint.codecSetPriority(codec.codecId, 255 - wanted[0] if wanted else 0)
        self.player = pj.AudioMediaPlayer()
        self.player.createPlayer(settings["plays"])
        self.account = Account(self)
        self.account.create(self.account_configuration())

    def configuration(self):
        settings = self.settings
        config = pj.EpConfig()
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.maxCalls = 8
        config.uaConfig.userAgent = "pjsua2"
        config.logConfig.level = 5
        config.logConfig.consoleLevel = 0
        config.logConfig.msgLogging = 1
        config.logConfig.filename = os.path.join(settings["dir"], "log")
        media = config.medConfig
        media.clockRate = settings["rate"]
        media.sndClockRate = settings["rate"]
        media.ecTailLen = 0
        media.noVad = True
        media.quality = 10
        if settings["mute"]:
            media.txDropPct = 100
        return config

    def account_configuration(self):
        settings = self.settings
        config = pj.AccountConfig()
        by = "" if settings["transport"] == "udp" else f";transport={settings['transport']}"
        config.idUri = f"sip:{settings['user']}@{settings['domain']}"
        config.regConfig.registrarUri = f"sip:{settings['domain']}{by}"
        config.regConfig.timeoutSec = settings["expires"]
        config.sipConfig.proxies.append(f"<sip:{settings['server']}{by};lr>")
        config.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", settings["user"], 0, settings["password"]))
        config.callConfig.prackUse = REL100[settings["rel100"]]
        if settings["timer"] is not None:
            config.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
            config.callConfig.timerMinSESec = min(90, settings["timer"])
            config.callConfig.timerSessExpiresSec = settings["timer"]
        config.mwiConfig.enabled = settings["mwi"]
        media = config.mediaConfig
        media.srtpUse = SRTP[settings["srtp"]]
        media.srtpSecureSignaling = 0
        media.srtpOpt.keyings.append(pj.PJMEDIA_SRTP_KEYING_SDES)
        media.transportConfig.boundAddress = "127.0.0.1"
        media.transportConfig.port = 0
        media.transportConfig.randomizePort = False
        if settings["media"]:
            media.transportConfig.port = settings["media"]["port"]
            media.transportConfig.publicAddress = settings["media"]["public"]
        media.lockCodecEnabled = False
        config.natConfig.iceEnabled = False
        # By itself every phone of a machine would be one and the same device (RFC 5626).
        config.natConfig.sipOutboundInstanceId = f"<urn:uuid:{uuid.uuid4()}>"
        return config

    def call(self, to):
        call = Call(self)
        call.makeCall(f"sip:{to}@{self.settings['domain']}", pj.CallOpParam(True))
        return call.number

    def answer(self, call, status=200):
        answer = pj.CallOpParam(True)
        answer.statusCode = status
        self.calls[call].answer(answer)

    def hangup(self, call, status=0):
        end = pj.CallOpParam()
        end.statusCode = status
        self.calls[call].hangup(end)

    def hold(self, call):
        self.calls[call].setHold(pj.CallOpParam(True))

    def resume(self, call):
        again = pj.CallOpParam(True)
        again.opt.flag = pj.PJSUA_CALL_UNHOLD
        self.calls[call].reinvite(again)

    def transfer(self, call, to):
        self.calls[call].xfer(f"sip:{to}@{self.settings['domain']}", pj.CallOpParam())

    def join(self, call, other):
        """The party of `call` is to replace this phone in `other`."""
        self.calls[call].xferReplaces(self.calls[other], pj.CallOpParam())

    def press(self, call, keys, method):
        if method == "rfc4733":
            self.calls[call].dialDtmf(keys)
        elif method == "info":
            digits = pj.CallSendDtmfParam()
            digits.method = pj.PJSUA_DTMF_METHOD_SIP_INFO
            digits.digits = keys
            digits.duration = 100
            self.calls[call].sendDtmf(digits)
        else:
            self.tones(call, keys)

    def tones(self, call, keys):
        """The keys as sound, in the place of what it plays."""
        with_tones = self.calls[call]
        audio = with_tones.getAudioMedia(-1)
        if with_tones.tones is None:
            with_tones.tones = pj.ToneGenerator()
            with_tones.tones.createToneGenerator(self.settings["rate"], 1)
        self.player.stopTransmit(audio)
        with_tones.tones.startTransmit(audio)
        digits = pj.ToneDigitVector()
        for key in keys:
            digit = pj.ToneDigit()
            digit.digit, digit.on_msec, digit.off_msec, digit.volume = key, 100, 100, 8000
            digits.append(digit)
        with_tones.tones.playDigits(digits)

    def watch(self, user):
        config = pj.BuddyConfig()
        config.uri = f"sip:{user}@{self.settings['domain']}"
        config.subscribe = True
        buddy = Buddy()
        buddy.create(self.account, config)
        self.buddies.append(buddy)

    def message(self, user, text):
        config = pj.BuddyConfig()
        config.uri = f"sip:{user}@{self.settings['domain']}"
        config.subscribe = False
        buddy = Buddy()
        buddy.create(self.account, config)
        self.buddies.append(buddy)
        message = pj.SendInstantMessageParam()
        message.content = text
        buddy.sendInstantMessage(message)

    def statistics(self, call):
        """What RTCP and the jitter buffer counted."""
        stat = self.calls[call].getStreamStat(0)
        received, sent, buffer = stat.rtcp.rxStat, stat.rtcp.txStat, stat.jbuf
        return {"received": received.pkt, "lost": received.loss, "sent": sent.pkt, "discarded": buffer.discard, "empty": buffer.empty}

    def register(self, active):
        self.account.setRegistration(active)

    def obey(self, line):
        command = json.loads(line)
        number, verb = command.pop("id"), command.pop("verb")
        try:
            say(id=number, value=getattr(self, verb)(**command))
        except Exception as error:
            text = error.info() if isinstance(error, pj.Error) else repr(error)
            say(id=number, error=text)

    def run(self):
        say(kind="ready", version=self.endpoint.libVersion().full)
        waiting = b""
        while True:
            self.endpoint.libHandleEvents(10)
            if not select.select([0], [], [], 0)[0]:
                continue
            more = os.read(0, 65536)
            if not more:
                # Whoever told it what to do is gone.
                os._exit(0)
            *lines, waiting = (waiting + more).split(b"\n")
            for line in lines:
                self.obey(line)


Phone(dict(SETTINGS, **json.loads(sys.argv[1]))).run()
