"""Which folder a kind of model means."""

import pytest
from backplane.modelfiles.kinds import CLOSED_FOLDERS, USUAL, folder_of, known_types

FOLDERS = [
    *(
        "checkpoints",
        "loras",
        "vae",
        "vae_approx",
        "controlnet",
        "embeddings",
        "upscale_models",
        "photomaker",
    ),
    *(
        "diffusion_models",
        "text_encoders",
        "clip_vision",
        "style_models",
        "hypernetworks",
        "gligen",
        "diffusers",
    ),
    *("latent_upscale_models", "audio_encoders", "model_patches", "classifiers", "configs", "My Pack"),
]
ALIASES = {"unet": "diffusion_models", "clip": "text_encoders"}


@pytest.mark.parametrize(
    ("asked", "folder"),
    [
        *((name, name) for name in FOLDERS),
        *(("checkpoint", "checkpoints"), ("Checkpoint", "checkpoints"), ("lora", "loras"), ("LORA", "loras")),
        *(("LoCon", "loras"), ("embedding", "embeddings"), ("TextualInversion", "embeddings")),
        *(
            ("textual_inversion", "embeddings"),
            ("textual inversion", "embeddings"),
            ("controlnets", "controlnet"),
        ),
        *(
            ("upscale_model", "upscale_models"),
            ("upscaler", "upscale_models"),
            ("upscalers", "upscale_models"),
        ),
        *(
            ("esrgan", "upscale_models"),
            ("diffusion_model", "diffusion_models"),
            ("unet", "diffusion_models"),
        ),
        *(("UNET", "diffusion_models"), ("text_encoder", "text_encoders"), ("text-encoder", "text_encoders")),
        *(("clip", "text_encoders"), ("CLIP Vision", "clip_vision")),
        *(("style_model", "style_models"), ("hypernetwork", "hypernetworks"), ("vaes", "vae")),
        *(("latent_upscale_model", "latent_upscale_models"), ("audio_encoder", "audio_encoders")),
        *(("model_patch", "model_patches"), ("my pack", "My Pack"), ("my_pack", "My Pack"), ("wheels", None)),
        *(("", None), ("../loras", None), ("motion_module", None)),
    ],
)
def test_the_folder_of_a_kind(asked, folder):
    assert folder_of(asked, FOLDERS, ALIASES) == folder


def test_a_node_pack_s_own_folder_goes_before_a_usual_name():
    assert folder_of("clip", [*FOLDERS, "clip"], ALIASES) == "clip"
    assert folder_of("unet", ["unet"], {}) == "unet"  # a ComfyUI from before the folder was renamed
    assert folder_of("diffusion_model", ["unet"], {}) == "unet"
    assert folder_of("lora", ["lora", "loras"], {}) == "lora"


def test_an_alias_that_leads_nowhere_is_none():
    assert folder_of("old", FOLDERS, {"old": "gone"}) is None


def test_the_usual_names_are_found_as_they_are_compared():
    assert all(name == name.casefold() and " " not in name and "-" not in name for name in USUAL)


def test_closed_folders_are_not_among_the_types():
    known = known_types([*FOLDERS, "custom_nodes"])
    assert not CLOSED_FOLDERS & set(known)
    assert known == sorted(known)
    assert "loras" in known
