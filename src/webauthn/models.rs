//! Models of authenticators, and when attestation proves one.

use std::collections::BTreeMap;

use uuid::Uuid;
use webauthn_rs::prelude::{
    AttestationCaList, AttestationCaListBuilder, AttestationFormat, Credential,
};

use super::Model;

/// A model with the roots that vouch for it, and for no other.
#[derive(Debug)]
pub(super) struct ProvableModel {
    pub(super) aaguid: Uuid,
    pub(super) name: String,
    roots: AttestationCaList,
}

impl ProvableModel {
    /// Whether the statement of a credential that names this model's AAGUID proves that it is one.
    ///
    /// The library has verified the statement's signature, which covers the AAGUID. Self attestation
    /// has no chain and proves nothing; of the other formats only `packed` is made by one model.
    pub(super) fn is_proven_by(&self, credential: &Credential) -> bool {
        credential.attestation_format == AttestationFormat::Packed
            && matches!(credential.verify_attestation(&self.roots), Ok(Some(_)))
    }
}

/// Reads the roots of each model; what is wrong with one is added to `problems`.
pub(super) fn load(
    models: Vec<Model>,
    problems: &mut Vec<(&'static str, String)>,
) -> Vec<ProvableModel> {
    let mut loaded: Vec<ProvableModel> = Vec::with_capacity(models.len());
    for model in models {
        let Model {
            aaguid,
            name,
            roots,
        } = model;
        let mut wrong = |what: &str| problems.push(("models", format!("model `{aaguid}` {what}")));
        if aaguid.is_nil() {
            wrong("is the AAGUID of authenticators that do not say what they are");
        }
        if name.trim().is_empty() {
            wrong("needs a name");
        }
        if loaded.iter().any(|other| other.aaguid == aaguid) {
            wrong("is listed twice: put all its roots into one file");
        }
        match certificates(&roots, aaguid, &name) {
            Ok(roots) => loaded.push(ProvableModel {
                aaguid,
                name,
                roots,
            }),
            Err(what) => wrong(what),
        }
    }
    loaded
}

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

fn certificates(pem: &[u8], aaguid: Uuid, name: &str) -> Result<AttestationCaList, &'static str> {
    let text = str::from_utf8(pem).map_err(|_| "has roots that are not PEM text")?;
    let mut list = AttestationCaListBuilder::new();
    let mut rest = text;
    // The builder reads one certificate at a time; files of roots hold several, with prose between.
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (body, after) = after
            .split_once(END)
            .ok_or("has roots with a certificate that does not end")?;
        let one = format!("{BEGIN}{body}{END}\n");
        list.insert_device_pem(one.as_bytes(), aaguid, name.to_owned(), BTreeMap::new())
            .map_err(|_| "has roots with a certificate that cannot be read")?;
        rest = after;
    }
    let list = list.build();
    if list.is_empty() {
        return Err("has roots without a PEM certificate");
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType, IsCa,
        KeyPair,
    };
    use serde_json::json;

    use super::*;
    use crate::webauthn::Reason;
    use crate::webauthn::forge::{Forge, Statement};
    use crate::webauthn::tests::{CHALLENGE, parties_with};
    use crate::webauthn::{RelyingParties, Verified};
    use cedargate_core::{Bytes, MethodType};

    const LISTED: Uuid = Uuid::from_u128(0x73bb0cd4_e502_49b8_9c6f_b59445bf720b);
    const OTHER: Uuid = Uuid::from_u128(2);

    /// A vendor: a root, and what it signs.
    struct Vendor {
        root: CertifiedIssuer<'static, KeyPair>,
    }

    impl Vendor {
        fn new(name: &str) -> Self {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
            params.distinguished_name.push(DnType::CommonName, name);
            let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
            Self { root }
        }

        fn pem(&self) -> Vec<u8> {
            self.root.pem().into_bytes()
        }

        /// An attestation certificate (§8.2.1), with or without the extension that names a model.
        fn attest(&self, named: Option<Uuid>) -> Statement {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            for (kind, value) in [
                (DnType::CountryName, "AA"),
                (DnType::OrganizationName, "Vendor"),
                (DnType::OrganizationalUnitName, "Authenticator Attestation"),
                (DnType::CommonName, "Key"),
            ] {
                params.distinguished_name.push(kind, value);
            }
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
            if let Some(aaguid) = named {
                let mut octets = vec![0x04, 0x10];
                octets.extend(aaguid.as_bytes());
                let oid = [1, 3, 6, 1, 4, 1, 45724, 1, 1, 4];
                params.custom_extensions = vec![CustomExtension::from_oid_content(&oid, octets)];
            }
            let key = KeyPair::generate().unwrap();
            let certificate = params.signed_by(&key, &self.root).unwrap();
            Statement::Signed(key.serialize_der(), vec![certificate.der().to_vec()])
        }
    }

    fn listing(roots: Vec<u8>) -> RelyingParties {
        parties_with(vec![Model {
            aaguid: LISTED,
            name: "Model".into(),
            roots,
        }])
    }

    fn enrol(
        parties: &RelyingParties,
        aaguid: Uuid,
        statement: Statement,
    ) -> Result<Verified, Reason> {
        let challenge = Bytes(CHALLENGE.to_vec());
        let mut forge = Forge::new(&challenge);
        forge.aaguid = aaguid.into_bytes();
        forge.format = "packed".into();
        forge.statement = statement;
        parties
            .of(None)
            .unwrap()
            .finish(MethodType::Fido, &challenge, &forge.response())
            .map_err(|fault| fault.reason)
    }

    fn proven(parties: &RelyingParties, aaguid: Uuid, statement: Statement) -> Option<Uuid> {
        let verified = enrol(parties, aaguid, statement).unwrap();
        assert_eq!(verified.claimed_model, Some(aaguid));
        verified.proven_model
    }

    #[test]
    fn a_chain_to_a_listed_root_proves_the_model() {
        let vendor = Vendor::new("Vendor");
        let parties = listing(vendor.pem());
        assert_eq!(proven(&parties, LISTED, vendor.attest(None)), Some(LISTED));
        assert_eq!(
            proven(&parties, LISTED, vendor.attest(Some(LISTED))),
            Some(LISTED)
        );
        assert_eq!(parties.of(None).unwrap().model_name(LISTED), Some("Model"));
        assert_eq!(parties.of(None).unwrap().model_name(OTHER), None);
    }

    #[test]
    fn another_vendors_chain_that_claims_a_listed_model_proves_nothing() {
        let parties = listing(Vendor::new("Vendor").pem());
        // By the same name, too: names sign nothing.
        for other in [Vendor::new("Other"), Vendor::new("Vendor")] {
            assert_eq!(proven(&parties, LISTED, other.attest(None)), None);
            assert_eq!(proven(&parties, LISTED, other.attest(Some(LISTED))), None);
        }
    }

    #[test]
    fn a_root_vouches_for_its_own_model_only() {
        let (one, two) = (Vendor::new("One"), Vendor::new("Two"));
        let model = |aaguid, vendor: &Vendor| Model {
            aaguid,
            name: "Model".into(),
            roots: vendor.pem(),
        };
        let parties = parties_with(vec![model(LISTED, &one), model(OTHER, &two)]);
        assert_eq!(proven(&parties, OTHER, two.attest(None)), Some(OTHER));
        assert_eq!(proven(&parties, OTHER, one.attest(None)), None);
        assert_eq!(proven(&parties, LISTED, two.attest(None)), None);
        assert_eq!(proven(&parties, Uuid::from_u128(3), one.attest(None)), None);
    }

    #[test]
    fn a_certificate_of_another_model_is_refused() {
        let vendor = Vendor::new("Vendor");
        let parties = listing(vendor.pem());
        let got = enrol(&parties, LISTED, vendor.attest(Some(OTHER)));
        assert_eq!(got.unwrap_err(), Reason::Attestation);
    }

    #[test]
    fn self_attestation_and_none_prove_nothing() {
        let parties = listing(Vendor::new("Vendor").pem());
        let challenge = Bytes(CHALLENGE.to_vec());
        let mut forge = Forge::new(&challenge);
        forge.aaguid = LISTED.into_bytes();
        let party = parties.of(None).unwrap();
        let finish = |forge: &Forge| {
            party
                .finish(MethodType::Fido, &challenge, &forge.response())
                .unwrap()
        };
        assert_eq!(finish(&forge).proven_model, None);
        forge.sign_itself();
        let verified = finish(&forge);
        assert_eq!(verified.proven_model, None);
        assert_eq!(verified.claimed_model, Some(LISTED));
    }

    #[test]
    fn nothing_of_the_statement_is_kept() {
        let vendor = Vendor::new("Vendor");
        let verified = enrol(&listing(vendor.pem()), LISTED, vendor.attest(None)).unwrap();
        let kept = &verified.credential["attestation"];
        assert_eq!(kept, &json!({ "data": "None", "metadata": "None" }));
    }

    #[test]
    fn a_file_of_roots_may_hold_several() {
        let (one, two) = (Vendor::new("One"), Vendor::new("Two"));
        let mut roots = b"Roots of the vendor\n".to_vec();
        roots.extend(one.pem());
        roots.extend(b"\nand another\n");
        roots.extend(two.pem());
        let parties = listing(roots);
        for vendor in [one, two] {
            assert_eq!(proven(&parties, LISTED, vendor.attest(None)), Some(LISTED));
        }
    }

    #[test]
    fn wrong_models_are_named() {
        let good = Vendor::new("Vendor").pem();
        let cut = &good[..good.len() / 2];
        let garbled = format!("{BEGIN}\nAAAA\n{END}\n");
        let model = |roots: &[u8]| Model {
            aaguid: LISTED,
            name: "Model".into(),
            roots: roots.to_vec(),
        };
        for (models, what) in [
            (vec![model(b"")], "has roots without a PEM certificate"),
            (vec![model(&[0xff])], "has roots that are not PEM text"),
            (
                vec![model(cut)],
                "has roots with a certificate that does not end",
            ),
            (
                vec![model(garbled.as_bytes())],
                "has roots with a certificate that cannot be read",
            ),
            (
                vec![model(&good), model(&good)],
                "is listed twice: put all its roots into one file",
            ),
        ] {
            let mut problems = Vec::new();
            load(models, &mut problems);
            assert_eq!(problems, [("models", format!("model `{LISTED}` {what}"))]);
        }
    }
}
