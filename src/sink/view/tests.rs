//! What a person sees at any size: random events go in, pictures come out.
