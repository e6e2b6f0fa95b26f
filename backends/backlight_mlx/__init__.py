"""The MLX backend: modules of mlx.nn and functions of mlx.core's arrays."""
