//! What somebody may send who knows the token: any bytes, at any place of what should come.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
};

use burn::tensor::Device;

use super::{
    connection::Line,
    frame,
    handshake::greet,
    message::{Head, Message, PictureFormat, PictureSetName, PoolKind, PoolName},
    server::{Notice, Server},
    token::Token,
};
use crate::{
    checkpoint::{self, EncodedTensors},
    device,
    model::Model,
    networks::{HostTensor, NormalSource},
    unlearn::{Settings, method},
};

fn push(line: &mut Vec<u8>, message: &Message, payload: &[u8]) {
    frame::write(line, &serde_json::to_vec(message).unwrap(), payload.len() as u64).unwrap();
    line.extend_from_slice(payload);
}

fn pool(count: usize, latent: usize) -> Vec<u8> {
    let tensor = |shape: Vec<usize>| HostTensor::new(shape.clone(), vec![0.5; shape.iter().product()]);
    let tensors = [("psi".to_owned(), tensor(vec![count])), ("z".to_owned(), tensor(vec![count, latent]))];
    let mut bytes = Vec::new();
    EncodedTensors::new(tensors.iter().map(|(name, tensor)| (name, tensor))).write(&mut bytes).unwrap();
    bytes
}

/// All that a client says of a run that could be run.
fn conversation() -> Vec<u8> {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/stylegan2-16.pt");
    let model = Model::load(&fixture, &Device::flex()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    checkpoint::save(&path, &model.export()).unwrap();
    let mut settings = Settings::of(method("reject").unwrap());
    settings.set("iters", 1).unwrap();
    settings.set("batch", 4).unwrap();
    let head = Head { method: "reject".to_owned(), values: settings.values().clone(), class: None };
    let mut line = Vec::new();
    push(&mut line, &Message::Run(Box::new(head)), &[]);
    push(&mut line, &Message::Model, &std::fs::read(path).unwrap());
    let format = PictureFormat { side: 2, count: 1, bytes: true };
    push(&mut line, &Message::Pictures(PictureSetName::Retained, format), &[7; 12]);
    for name in [PoolName::Negatives, PoolName::Positives] {
        push(&mut line, &Message::Pool(name, PoolKind::Samples), &pool(4, model.generator.latent_dim()));
    }
    push(&mut line, &Message::Begin, &[]);
    line
}

/// Says it, and hangs up; what is answered.
fn say(server: &str, token: &Token, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).unwrap();
    let mut line = Line::new(stream.try_clone().unwrap(), server.to_owned()).unwrap();
    greet(&mut line, token).unwrap();
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn nothing_that_a_client_says_brings_a_server_down() {
    let token = Token::random().unwrap();
    let server = Server::bind("127.0.0.1:0", token.clone(), device::cpu()).unwrap();
    let address = server.address().unwrap().to_string();
    let notices: Arc<Mutex<Vec<Notice>>> = Arc::default();
    let noted = notices.clone();
    std::thread::spawn(move || server.serve(move |notice| noted.lock().unwrap().push(notice)));
    let holds = |answer: &[u8], word: &str| answer.windows(word.len()).any(|part| part == word.as_bytes());

    let whole = conversation();
    assert!(holds(&say(&address, &token, &whole), "\"Iteration\""), "{:?}", notices.lock().unwrap());
    let mut rng = NormalSource::new(5, 0);
    let texts: Vec<usize> = (0..whole.len()).filter(|&at| whole[at..].starts_with(b"{\"")).collect();
    for number in 0..80 {
        let mut bytes = whole.clone();
        for _ in 0..1 + rng.below(4) {
            // Lengths and texts more often than weights, of which there are so many more.
            let near = texts[rng.below(texts.len())].saturating_sub(12) + rng.below(200);
            let at = if number % 4 == 0 { rng.below(bytes.len()) } else { near.min(bytes.len() - 1) };
            bytes[at] = rng.below(256) as u8;
        }
        if number % 5 == 0 {
            bytes.truncate(rng.below(bytes.len()));
        }
        let answer = say(&address, &token, &bytes);
        assert!(!holds(&answer, "\"Panicked\""), "{number}: {:?}", notices.lock().unwrap().last());
    }
    // Messages that never come first, or at all.
    for message in [Message::Begin, Message::Model, Message::Beat, Message::Send, Message::Proof(String::new())] {
        let mut bytes = Vec::new();
        push(&mut bytes, &message, &[]);
        say(&address, &token, &bytes);
    }
    assert!(holds(&say(&address, &token, &whole), "\"Iteration\""), "it serves as before");
}
