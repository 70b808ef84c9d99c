//! Packs the built viewer (`dist/`), compressed, into a table that the relay serves from.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    let dist = root.join("../dist");
    println!("cargo::rerun-if-changed=build.rs");
    // scripts/build sets it, as a missing directory cannot be watched.
    println!("cargo::rerun-if-env-changed=SHARER_VIEWER");
    let mut table = String::from("&[");
    if dist.join("index.html").is_file() {
        println!("cargo::rerun-if-changed={}", dist.display());
        pack(&dist, &dist, &out, &mut table)?;
    }
    table.push(']');
    fs::write(out.join("assets.rs"), table)
}

fn pack(dist: &Path, folder: &Path, out: &Path, table: &mut String) -> io::Result<()> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<Result<_, _>>()?;
    paths.sort();
    for path in paths {
        if path.is_dir() {
            pack(dist, &path, out, table)?;
            continue;
        }
        let name = path.strip_prefix(dist).unwrap_or(&path).to_string_lossy().replace('\\', "/");
        let plain = fs::read(&path)?;
        let stem = out.join(format!("asset-{}", name.replace('/', "-")));
        let files = [("plain", plain.clone()), ("br", brotli(&plain)?), ("gz", gzip(&plain)?)];
        write!(table, "Asset {{ path: {name:?}").map_err(io::Error::other)?;
        for (kind, bytes) in files {
            let file = stem.with_extension(format!("{kind}.bin"));
            fs::write(&file, bytes)?;
            write!(table, ", {kind}: include_bytes!({:?})", file.display().to_string())
                .map_err(io::Error::other)?;
        }
        table.push_str(" },");
    }
    Ok(())
}

fn brotli(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    // The best level takes seconds for the viewer, and is worth it in what people download only.
    let quality = if env::var("PROFILE").is_ok_and(|profile| profile == "release") { 11 } else { 5 };
    let mut writer = brotli::CompressorWriter::new(&mut out, 64 * 1024, quality, 22);
    writer.write_all(plain)?;
    drop(writer);
    Ok(out)
}

fn gzip(plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(plain)?;
    writer.finish()
}
