// A phone in a page: JsSIP with what a test needs of it, as window.phone.
import JsSIP from 'jssip';

const state = { ua: null, session: null, said: [] };

// settled waits for one of the events of a session that say how a call went.
function settled(session) {
  return new Promise((resolve, reject) => {
    session.on('confirmed', () => resolve());
    session.on('failed', (e) => reject(new Error(`the call failed: ${e.originator} ${e.cause} ${e.message?.status_code ?? ''}`)));
  });
}

window.phone = {
  // register resolves when the 200 of the registrar is there, with what it lists.
  register({ user, domain, password, socket }) {
    JsSIP.debug.disable();
    const ua = new JsSIP.UA({
      sockets: [new JsSIP.WebSocketInterface(socket)],
      uri: `sip:${user}@${domain}`,
      password,
      register: true,
      session_timers: false,
    });
    state.ua = ua;
    ua.on('newRTCSession', ({ originator, session }) => {
      if (originator !== 'remote') return;
      state.session = session;
      state.incoming = settled(session);
      state.incoming.catch(() => {}); // whoever asks for it is told
      session.answer({ mediaConstraints: { audio: true, video: false } });
    });
    return new Promise((resolve, reject) => {
      ua.on('registered', (e) => resolve(e.response.getHeader('Contact')));
      ua.on('registrationFailed', (e) => reject(new Error(`not registered: ${e.cause} ${e.response?.status_code ?? ''}`)));
      ua.start();
    });
  },

  // call resolves when the call is confirmed, by the ACK.
  async call(target) {
    state.session = state.ua.call(target, { mediaConstraints: { audio: true, video: false } });
    await settled(state.session);
  },

  // called resolves when a call that came in is confirmed.
  async called() {
    while (!state.incoming) await new Promise((r) => setTimeout(r, 20));
    await state.incoming;
  },

  // media resolves when packets of sound have gone both ways, with how many, and
  // with what the connection is made of.
  async media(enough) {
    for (;;) {
      const seen = { sent: 0, received: 0 };
      for (const s of (await state.session.connection.getStats()).values()) {
        if (s.type === 'outbound-rtp' && s.kind === 'audio') seen.sent += s.packetsSent;
        if (s.type === 'inbound-rtp' && s.kind === 'audio') seen.received += s.packetsReceived;
        if (s.type === 'transport') Object.assign(seen, { dtls: s.dtlsState, ice: s.iceState, srtp: s.srtpCipher });
      }
      if (seen.sent >= enough && seen.received >= enough) return seen;
      await new Promise((r) => setTimeout(r, 50));
    }
  },

  // hangUp ends the call; ended resolves when the other has.
  hangUp: () => state.session.terminate(),
  async ended() {
    while (!state.session.isEnded()) await new Promise((r) => setTimeout(r, 20));
  },

  // unregister resolves when the binding is gone.
  unregister() {
    return new Promise((resolve) => {
      state.ua.on('unregistered', () => resolve());
      state.ua.unregister();
    });
  },
};
