module kcloud.local/hello

go 1.24.0
