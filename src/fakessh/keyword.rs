//! The keywords of ssh's configuration: what each takes, and what it is to us.

/// What stands after a keyword.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// One of these, which are parted by blanks, in whatever case.
    Choice(&'static str),
    Number,
    Time,
    Word,
    /// One word or more, or `none`.
    Words,
    /// The rest of the line, whatever it is.
    Line,
    Hosts,
    Port,
    Escape,
    LogLevel,
    SetEnv,
    SendEnv,
}

/// What a keyword is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concern {
    /// How to connect: for the ssh that does.
    Connection,
    /// This session: for ourselves.
    Session,
    /// Changes nothing here.
    Accepted,
    /// Ports, sockets and devices that we do not forward.
    Forwarding,
    /// Stands in files only; by the name that ssh gives it.
    File(&'static str),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keyword {
    /// In lower case, as `ssh -G` prints it.
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    pub(super) concern: Concern,
}

pub(super) const FLAG: &str = "yes no true false";
const ASK: &str = "yes no true false ask";
const MASTER: &str = "yes no true false auto ask autoask";
const STRICT: &str = "yes no true false ask off accept-new";
const TUNNEL: &str = "yes no true false ethernet point-to-point";
const TERMINAL: &str = "yes no true false force auto";
const CANONICALIZE: &str = "yes no true false always";
const PUBKEY: &str = "yes no true false unbound host-bound";

/// Other names, most of them old.
const ALIASES: &[(&str, &str)] = &[
    ("challengeresponseauthentication", "kbdinteractiveauthentication"),
    ("skeyauthentication", "kbdinteractiveauthentication"),
    ("tisauthentication", "kbdinteractiveauthentication"),
    ("dsaauthentication", "pubkeyauthentication"),
    ("identityfile2", "identityfile"),
    ("keepalive", "tcpkeepalive"),
    ("hostbasedkeytypes", "hostbasedacceptedalgorithms"),
    ("pubkeyacceptedkeytypes", "pubkeyacceptedalgorithms"),
    ("smartcarddevice", "pkcs11provider"),
];

type Group = (Concern, Takes, &'static str);

/// The names are parted by blanks.
const GROUPS: &[Group] = &[
    (
        Concern::Connection,
        Takes::Choice(FLAG),
        "batchmode canonicalizefallbacklocal checkhostip enablesshkeysign gssapiauthentication \
         gssapidelegatecredentials gssapikeyexchange gssapirenewalforcesrekey gssapitrustdns \
         hashknownhosts hostbasedauthentication identitiesonly kbdinteractiveauthentication \
         nohostauthenticationforlocalhost passwordauthentication proxyusefdpass tcpkeepalive \
         visualhostkey",
    ),
    (Concern::Connection, Takes::Choice("inet inet6 any"), "addressfamily"),
    (Concern::Connection, Takes::Choice(CANONICALIZE), "canonicalizehostname"),
    (Concern::Connection, Takes::Choice("yes no"), "compression"),
    (Concern::Connection, Takes::Choice(PUBKEY), "pubkeyauthentication"),
    (Concern::Connection, Takes::Choice(STRICT), "stricthostkeychecking"),
    (Concern::Connection, Takes::Choice(ASK), "updatehostkeys verifyhostkeydns"),
    (
        Concern::Connection,
        Takes::Number,
        "canonicalizemaxdots connectionattempts numberofpasswordprompts requiredrsasize \
         serveralivecountmax",
    ),
    (Concern::Connection, Takes::Time, "connecttimeout serveraliveinterval"),
    (
        Concern::Connection,
        Takes::Word,
        "bindaddress bindinterface casignaturealgorithms certificatefile ciphers fingerprinthash \
         forwardagent gssapiclientidentity gssapikexalgorithms gssapiserveridentity \
         hostbasedacceptedalgorithms hostkeyalgorithms hostkeyalias hostname identityagent \
         identityfile kbdinteractivedevices kexalgorithms macs pkcs11provider \
         preferredauthentications pubkeyacceptedalgorithms refuseconnection securitykeyprovider tag",
    ),
    (
        Concern::Connection,
        Takes::Words,
        "canonicaldomains globalknownhostsfile revokedhostkeys userknownhostsfile",
    ),
    (
        Concern::Connection,
        Takes::Line,
        "addkeystoagent canonicalizepermittedcnames ipqos knownhostscommand rekeylimit \
         versionaddendum warnweakcrypto",
    ),
    (Concern::Session, Takes::Line, "localcommand proxycommand remotecommand"),
    (Concern::Session, Takes::Hosts, "proxyjump"),
    (
        Concern::Session,
        Takes::Choice(FLAG),
        "clearallforwardings forkafterauthentication permitlocalcommand stdinnull",
    ),
    (Concern::Session, Takes::Choice(TERMINAL), "requesttty"),
    (Concern::Session, Takes::Choice("none subsystem default"), "sessiontype"),
    (Concern::Session, Takes::Choice(TUNNEL), "tunnel"),
    (Concern::Session, Takes::Word, "ignoreunknown user"),
    (Concern::Session, Takes::Port, "port"),
    (Concern::Session, Takes::Escape, "escapechar"),
    (Concern::Session, Takes::LogLevel, "loglevel"),
    (Concern::Session, Takes::SetEnv, "setenv"),
    (Concern::Session, Takes::SendEnv, "sendenv"),
    (Concern::Forwarding, Takes::Line, "dynamicforward localforward remoteforward"),
    (
        Concern::Accepted,
        Takes::Choice(FLAG),
        "enableescapecommandline exitonforwardfailure forwardx11 forwardx11trusted gatewayports \
         streamlocalbindunlink",
    ),
    (Concern::Accepted, Takes::Choice(MASTER), "controlmaster"),
    (Concern::Accepted, Takes::Time, "forwardx11timeout"),
    (Concern::Accepted, Takes::Word, "controlpath controlpersist syslogfacility xauthlocation"),
    (Concern::Accepted, Takes::Words, "logverbose"),
    (
        Concern::Accepted,
        Takes::Line,
        "channeltimeout obscurekeystroketiming permitremoteopen streamlocalbindmask tunneldevice",
    ),
    // What ssh itself takes without a word, or does without.
    (
        Concern::Accepted,
        Takes::Line,
        "afstokenpassing cipher compressionlevel fallbacktorsh globalknownhostsfile2 \
         kerberosauthentication kerberostgtpassing protocol rhostsauthentication \
         rhostsrsaauthentication rsaauthentication useprivilegedport userknownhostsfile2 useroaming \
         usersh",
    ),
    (Concern::File("Host"), Takes::Line, "host"),
    (Concern::File("Match"), Takes::Line, "match"),
    (Concern::File("Include"), Takes::Line, "include"),
];

/// By its name in lower case, or another name of the same.
pub(super) fn find(name: &str) -> Option<Keyword> {
    let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, name)| name);
    GROUPS.iter().find_map(|(concern, takes, names)| {
        let name = names.split(' ').find(|known| *known == name)?;
        Some(Keyword { name, takes: *takes, concern: *concern })
    })
}
